// What was delivered lately: who comes back may be told again what it had, and must pass it on only once.
import type { ShownReading } from "./generated/messages.js";

type Values = ShownReading["values"];

/** The store repeats the minute before the cursor: so long, and a little, every reading must be remembered. */
const YOUNG_MS = 120_000;
const FEW = 10_000;
const MANY = 200_000;

/** Two generations: the older one is forgotten whole once the younger is large, and old, enough. */
export class Seen {
  private young = new Map<string, Values>();
  private old = new Map<string, Values>();
  private since: number;

  constructor(private readonly now: () => number = Date.now) {
    this.since = now();
  }

  /** The reading with what is new of it; null if all of it was had. Its values merge, the last one wins. */
  take(reading: ShownReading): ShownReading | null {
    const key = `${reading.device_id}\n${reading.measurement}\n${reading.timestamp}`;
    const had = this.young.get(key) ?? this.old.get(key);
    if (had === undefined) {
      this.remember(key, reading.values);
      return reading;
    }
    const fresh = Object.entries(reading.values).filter(([name, value]) => had[name] !== value);
    if (fresh.length === 0) return null;
    this.remember(key, { ...had, ...reading.values });
    return { ...reading, values: Object.fromEntries(fresh) };
  }

  private remember(key: string, values: Values): void {
    const { size } = this.young;
    if (size >= MANY || (size >= FEW && this.now() - this.since > YOUNG_MS)) {
      this.old = this.young;
      this.young = new Map();
      this.since = this.now();
    }
    this.young.set(key, values);
  }
}
