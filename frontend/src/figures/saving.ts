// Hands a file to the reader: made here, saved by the browser.

export function save(name: string, type: string, content: BlobPart): void {
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // the browser has begun to read it when the click returns, but not all of them have finished
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
