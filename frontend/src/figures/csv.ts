// A CSV file as records, so that rows which were refused can be taken out of it; docs/http.md says what the server reads.

/** Cells of each record; an unclosed quote runs to the end of the file, as it does for the server. */
export function parseCsv(text: string): string[][] {
  const records: string[][] = [];
  let cells: string[] = [];
  let cell = "";
  let quoted = false;
  const endCell = (): void => {
    cells.push(cell);
    cell = "";
  };
  const endRecord = (): void => {
    endCell();
    records.push(cells);
    cells = [];
  };
  const source = text.replace(/^\uFEFF/, "");
  for (let i = 0; i < source.length; i += 1) {
    const letter = source[i] ?? "";
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (source[i + 1] === '"') {
        cell += '"';
        i += 1;
      } else quoted = false;
    } else if (letter === '"' && cell === "") quoted = true;
    else if (letter === ",") endCell();
    else if (letter === "\n" || letter === "\r") {
      if (letter === "\r" && source[i + 1] === "\n") i += 1;
      endRecord();
    } else cell += letter;
  }
  if (cell !== "" || cells.length > 0) endRecord();
  return records;
}

export function formatCsv(records: readonly (readonly string[])[]): string {
  return records.map((cells) => `${cells.map(quote).join(",")}\r\n`).join("");
}

/** The header and the rows with these numbers, counted as spreadsheets do: the header is row 1. */
export function pickRows(text: string, rows: readonly number[]): string {
  const records = parseCsv(text);
  return formatCsv([1, ...rows].map((number) => records[number - 1] ?? []));
}

function quote(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
