// What came live while the page was open, metric by metric, in order of time and in bounded memory.
import type { LiveReading } from "../live/messages";
import { toUs } from "./timestamps";
import { firstAt, trackOf } from "./track";
import type { Track } from "./track";

const FIRST_ROOM = 256;
const MOST = 50_000;

class Line {
  private xs = new Float64Array(FIRST_ROOM);
  private ys = new Float64Array(FIRST_ROOM);
  private length = 0;

  add(x: number, y: number): void {
    this.grow();
    const at = x > (this.xs[this.length - 1] ?? -Infinity) ? this.length : firstAt(this.xs.subarray(0, this.length), x);
    if (at < this.length && this.xs[at] === x) {
      this.ys[at] = y;
      return;
    }
    this.xs.copyWithin(at + 1, at, this.length);
    this.ys.copyWithin(at + 1, at, this.length);
    this.xs[at] = x;
    this.ys[at] = y;
    this.length += 1;
  }

  /** Copies: the next reading must not change what is being drawn. */
  track(): Track {
    return trackOf(this.xs.slice(0, this.length), this.ys.slice(0, this.length));
  }

  dropBefore(t: number): void {
    const begin = Math.max(firstAt(this.xs.subarray(0, this.length), t), this.length - MOST);
    if (begin <= 0) return;
    this.xs.copyWithin(0, begin, this.length);
    this.ys.copyWithin(0, begin, this.length);
    this.length -= begin;
  }

  private grow(): void {
    if (this.length === this.xs.length && this.length > MOST) this.dropBefore(-Infinity);
    if (this.length < this.xs.length) return;
    const [xs, ys] = [this.xs, this.ys];
    this.xs = new Float64Array(2 * xs.length);
    this.ys = new Float64Array(2 * ys.length);
    this.xs.set(xs);
    this.ys.set(ys);
  }
}

export class Stream {
  private readonly lines = new Map<string, Line>();

  take(readings: readonly LiveReading[]): void {
    for (const { timestamp, values } of readings) {
      const x = toUs(timestamp) / 1000;
      for (const [metric, value] of Object.entries(values)) if (typeof value === "number") this.line(metric).add(x, value);
    }
  }

  track(metric: string): Track | undefined {
    return this.lines.get(metric)?.track();
  }

  dropBefore(t: number): void {
    for (const line of this.lines.values()) line.dropBefore(t);
  }

  private line(metric: string): Line {
    let found = this.lines.get(metric);
    if (found === undefined) this.lines.set(metric, (found = new Line()));
    return found;
  }
}
