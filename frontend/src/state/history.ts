// The open device's readings: recent history from HTTP joined with live ones, each once, no hole between them.
import { shallowRef } from "vue";
import { Refused } from "../api/http";
import { readNewest } from "../api/routes";
import type { LiveReading } from "../live/messages";
import { mergeRows, sortRows, toRow, trimRows } from "../readings/merge";
import type { Row } from "../readings/merge";
import { findDevice } from "./fleet";
import { listen } from "./feed";

const PAGE = 10_000;
const MOST_ROWS = 60_000;
/** The store may be a moment behind live: what had yet to reach it is asked for once more after this. */
const SETTLED_MS = 2_000;
const ASK_AGAIN_MS = 8_000;
const RETRY_MS = 3_000;

export type HistoryState = "loading" | "ready" | "error";

export class History {
  rows: Row[] = [];
  readonly state = shallowRef<HistoryState>("loading");
  readonly problem = shallowRef("");
  /** Where history had to be cut because there is more than can be drawn; epoch ms. */
  readonly cutAt = shallowRef<number | null>(null);
  private readonly stopListening: () => void;
  private aborter = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly deviceId: string,
    private rangeS: number,
  ) {
    // Live first, then history: a reading that arrives meanwhile is in one of them, or in both and kept once.
    this.stopListening = listen({
      readings: (readings) => this.add(readings.filter((reading) => reading.device_id === deviceId)),
      missed: () => {
        this.load();
        this.later(ASK_AGAIN_MS);
      },
    });
    this.add(findDevice(deviceId)?.recent.list() ?? []);
    this.load();
    this.later(SETTLED_MS);
  }

  setRange(rangeS: number): void {
    this.rangeS = rangeS;
    this.state.value = "loading";
    this.load();
    this.later(SETTLED_MS);
  }

  trim(fromMs: number): void {
    this.rows = trimRows(this.rows, fromMs);
  }

  close(): void {
    this.stopListening();
    this.aborter.abort();
    clearTimeout(this.timer);
  }

  private add(readings: readonly LiveReading[]): void {
    if (readings.length > 0) this.rows = mergeRows(this.rows, sortRows(readings.map(toRow)));
  }

  private load(): void {
    this.aborter.abort();
    this.aborter = new AbortController();
    clearTimeout(this.timer);
    void this.read(this.aborter.signal);
  }

  private later(delayMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load(), delayMs);
  }

  private async read(signal: AbortSignal): Promise<void> {
    try {
      this.cutAt.value = await this.readPages(signal);
      this.state.value = "ready";
    } catch (error) {
      if (signal.aborted) return;
      this.state.value = "error";
      this.problem.value = error instanceof Error ? error.message : String(error);
      if (!(error instanceof Refused)) this.later(RETRY_MS);
    }
  }

  private async readPages(signal: AbortSignal): Promise<number | null> {
    let cursor: string | null = null;
    for (let read = 0; read < MOST_ROWS; read += PAGE) {
      const query = { start: `-${this.rangeS}s`, limit: PAGE, ...(cursor === null ? {} : { cursor }) };
      const page = await readNewest(this.deviceId, query, signal);
      this.add(page.data);
      cursor = page.cursor;
      if (cursor === null) return null;
    }
    return this.rows[0]?.t ?? null;
  }
}
