// Readings for a chart: `POST /api/v1/readings/query`, page by page, as typed arrays.
import type { Every } from "../readings/resolution";
import type { Span } from "../readings/span";
import { PATIENT_MS, api } from "./http";
import type { Answer, Question } from "./http";

type Body = Question<"POST /api/v1/readings/query">["body"];
export type Aggregate = NonNullable<Body["aggregates"]>[number];
export const AGGREGATES = ["mean", "min", "max", "sum", "count", "first", "last", "median", "p95", "stddev"] as const satisfies readonly Aggregate[];

export interface SeriesQuestion {
  deviceId: string;
  metrics: readonly string[];
  span: Span;
  timeZone: string;
  maxPoints?: number;
  every?: Every;
  aggregates?: readonly Aggregate[];
}

/** One metric's rows: the times in epoch ms (of windows: their beginnings), and a column for each aggregate or value. */
export interface Columns {
  times: Float64Array;
  columns: Float64Array[];
}

/** Yields what is known after each page: a long answer is drawn while it is still coming. */
export async function* readSeries(asked: SeriesQuestion, signal: AbortSignal): AsyncGenerator<Map<string, Columns>> {
  const rows = new Map<string, number[][]>();
  let cursor: string | null = null;
  do {
    const body: Body = { ...bodyOf(asked), cursor };
    const page: Answer<"POST /api/v1/readings/query"> = await api.post("/api/v1/readings/query", { body, signal, timeoutMs: PATIENT_MS });
    for (const { metric, type, rows: found } of page.series) {
      if (type !== "number") continue;
      const known = rows.get(metric) ?? [];
      for (const row of found) known.push(row.map((cell) => (typeof cell === "number" ? cell : Number.NaN)));
      rows.set(metric, known);
    }
    yield new Map([...rows].map(([metric, found]) => [metric, columnsOf(found)]));
    cursor = page.cursor;
  } while (cursor !== null);
}

function bodyOf({ deviceId, metrics, span, timeZone, maxPoints, every, aggregates }: SeriesQuestion): Body {
  return {
    devices: [deviceId],
    metrics: [...metrics],
    start: new Date(span.from).toISOString(),
    end: new Date(span.to).toISOString(),
    epoch: "us",
    ...(every === undefined ? { max_points: maxPoints } : { every, aggregates: aggregates && [...aggregates], timezone: timeZone }),
  };
}

/** A device that changed its profile or its owner has several series of one metric: as one line, in order of time. */
export function columnsOf(rows: number[][]): Columns {
  const sorted = rows.every((row, i) => i === 0 || row[0]! >= rows[i - 1]![0]!) ? rows : [...rows].sort((a, b) => a[0]! - b[0]!);
  const times = Float64Array.from(sorted, (row) => row[0]! / 1000);
  const width = (sorted[0]?.length ?? 2) - 1;
  const columns = Array.from({ length: width }, (_, column) => Float64Array.from(sorted, (row) => row[column + 1]!));
  return { times, columns };
}
