// Middle and worst of the newest samples, for a while only: an outlier of an hour ago says nothing of now.

const KEPT_MS = 60_000;
const MOST = 500;

export interface Spread {
  p50: number;
  p99: number;
  n: number;
}

export class Samples {
  private kept: { at: number; value: number }[] = [];

  add(value: number, at: number): void {
    this.kept.push({ at, value });
    if (this.kept.length > 2 * MOST) this.kept = this.kept.slice(-MOST);
  }

  spread(at: number): Spread | null {
    const values = this.kept.filter((sample) => sample.at > at - KEPT_MS).map((sample) => sample.value).sort((a, b) => a - b);
    if (values.length === 0) return null;
    const rank = (share: number): number => values[Math.min(values.length - 1, Math.floor(share * values.length))] ?? 0;
    return { p50: rank(0.5), p99: rank(0.99), n: values.length };
  }
}

/** 3.4 ms, 120 ms, 1.4 s: two digits that matter. */
export function formatDelay(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;
}
