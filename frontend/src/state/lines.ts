// One device's lines for a stretch of time: asked for at the right resolution, joined with live, the old ones kept until
// the new ones are there. What is overtaken is cancelled.
import { ref, shallowRef } from "vue";
import { Refused, comeBackMs, serverNow } from "../api/http";
import { readSeries } from "../api/series";
import type { LiveReading } from "../live/messages";
import { answerOf, fullest, isThinned, questionOf, rangeOf, suffices, trackFrom } from "../readings/answer";
import type { Answer, Wish } from "../readings/answer";
import { choose, fewEnough, isFixed, mostPoints } from "../readings/resolution";
import type { Resolution } from "../readings/resolution";
import { lengthOf } from "../readings/span";
import { Stream } from "../readings/stream";
import { EMPTY, firstAt, joined, withTail } from "../readings/track";
import type { Track } from "../readings/track";
import { refreshMs, tailFrom } from "../readings/windows";

export type LinesState = "loading" | "ready" | "error";

/** A gesture goes on: only where it stops is asked for. */
const GESTURE_MS = 120;
/** The store may be a moment behind live: what had yet to reach it is asked for once more after this. */
const SETTLED_MS = 2_000;
const ASK_AGAIN_MS = 8_000;
/** What live left out is found at the latest then, and what it brought is forgotten. */
const LIVE_AGAIN_MS = 60_000;
const RETRY_MS = 3_000;
const TOO_MANY_PER_MS = 1;
/** Live readings are kept so long after history must have them. */
const LIVE_KEPT_MS = 60_000;
const CROWDED_PER_PX = 4;

export class Lines {
  readonly state = ref<LinesState>("loading");
  readonly problem = ref("");
  readonly resolution = shallowRef<Resolution | null>(null);
  private stream = new Stream();
  private readonly made = new Map<string, Track>();
  private answer: Answer | null = null;
  private wish: Wish | null = null;
  /** What the request on its way is for. */
  private asking: Wish | null = null;
  private density: number | null = null;
  private aborter = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `changed`: there is something new to draw. */
  constructor(private readonly changed: () => void) {}

  /** Asks, unless what is there or already asked for is enough; `soon`: more gestures may follow. */
  want(wish: Wish, soon = false): void {
    this.wish = wish;
    if (wish.metrics.length === 0) {
      this.state.value = "ready";
      return;
    }
    if (this.answer !== null && suffices(this.answer, wish, this.density) && !this.crowded(wish)) return;
    if (this.state.value !== "ready" && this.asking !== null && nearly(this.asking, wish)) return;
    this.state.value = "loading";
    this.load(soon ? GESTURE_MS : 0, SETTLED_MS);
  }

  /** Something was missed: everything is asked for again, and once more when the store has settled. */
  again(): void {
    if (this.wish !== null) this.load(0, ASK_AGAIN_MS);
  }

  take(readings: readonly LiveReading[]): void {
    if (readings.length > 0) this.made.clear();
    this.stream.take(readings);
  }

  /** Made once for all the frames that show it. */
  track(metric: string): Track {
    let found = this.made.get(metric);
    if (found === undefined) this.made.set(metric, (found = this.join(metric)));
    return found;
  }

  private join(metric: string): Track {
    const history = this.answer?.tracks.get(metric) ?? EMPTY;
    if (this.answer?.resolution.kind === "windows") return history;
    return joined(history, this.stream.track(metric) ?? EMPTY);
  }

  /** When the first reading since `from` was; undefined while nobody has looked that far back. */
  firstSince(from: number): number | undefined {
    if (this.answer === null || this.answer.asked.from > from) return undefined;
    const firsts = this.answer.wish.metrics.map((metric) => this.track(metric)).map(({ xs, starts }) => (starts ?? xs)[0] ?? Infinity);
    return Math.min(...firsts);
  }

  /** Another device or another time: what is there would mislead. */
  forget(): void {
    this.close();
    this.stream = new Stream();
    this.made.clear();
    this.wish = null;
    this.answer = null;
    this.asking = null;
    this.density = null;
    this.resolution.value = null;
  }

  close(): void {
    this.aborter.abort();
    clearTimeout(this.timer);
  }

  /** Live readings have made a line longer than a screen can show. */
  private crowded(wish: Wish): boolean {
    if (this.answer?.resolution.kind !== "points") return false;
    return wish.metrics.some((metric) => {
      const { xs } = this.track(metric);
      return firstAt(xs, wish.span.to) - firstAt(xs, wish.span.from) > CROWDED_PER_PX * wish.widthPx;
    });
  }

  private load(delayMs: number, thenAgainMs: number | null): void {
    this.aborter.abort();
    this.aborter = new AbortController();
    this.asking = this.wish;
    const { signal } = this.aborter;
    this.later(delayMs, () => void this.attempt(signal, (wish) => this.read(wish, signal, thenAgainMs)));
  }

  private later(delayMs: number, work: () => void): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(work, delayMs);
  }

  private async attempt(signal: AbortSignal, work: (wish: Wish) => Promise<void>): Promise<void> {
    const { wish } = this;
    this.asking = wish;
    try {
      if (wish !== null && wish.metrics.length > 0) await work(wish);
      else this.answer = null; // nobody looks, so that nobody asks for what is new
    } catch (error) {
      if (!signal.aborted) this.failed(error);
      return;
    }
    if (signal.aborted) return;
    this.state.value = "ready";
    // who looked back meanwhile had what they wished, and this has taken its place
    if (this.wish !== null && this.wish !== wish) this.want(this.wish, true);
  }

  private failed(error: unknown): void {
    const tooMany = error instanceof Refused && error.details.some(({ code }) => code === "too_many_points");
    if (tooMany && this.wish?.wanted === "auto" && (this.density ?? 0) < TOO_MANY_PER_MS) {
      this.density = TOO_MANY_PER_MS;
      this.load(0, SETTLED_MS);
      return;
    }
    this.state.value = "error";
    this.problem.value = error instanceof Error ? error.message : String(error);
    const retryMs = comeBackMs(error, RETRY_MS);
    if (retryMs !== null) this.load(retryMs, SETTLED_MS);
  }

  private async read(wish: Wish, signal: AbortSignal, thenAgainMs: number | null): Promise<void> {
    const answer = await this.ask(wish, choose({ ...wish, density: this.density }), signal);
    if (signal.aborted || answer.wish.span.to < serverNow() - LIVE_KEPT_MS) return;
    if (answer.resolution.kind === "windows") this.refreshIn(answer, signal);
    else this.loadAgainIn(thenAgainMs ?? LIVE_AGAIN_MS);
  }

  private loadAgainIn(ms: number): void {
    this.later(ms, () => (document.hidden ? this.loadAgainIn(LIVE_AGAIN_MS) : this.load(0, null)));
  }

  /** Windows that turn out to hold few readings are asked for as those readings. */
  private async ask(wish: Wish, resolution: Resolution, signal: AbortSignal): Promise<Answer> {
    const begun = serverNow();
    const asked = rangeOf(wish, resolution, begun);
    let answer = answerOf(wish, resolution, asked, begun, new Map());
    for await (const found of readSeries(questionOf(wish, resolution, asked), signal)) {
      if (signal.aborted) return answer;
      answer = this.show(answerOf(wish, resolution, asked, begun, found));
    }
    this.stream.dropBefore(Math.min(begun - LIVE_KEPT_MS, wish.span.from));
    const readings = fullest(answer);
    const density = readings / Math.max(1, lengthOf(asked));
    this.density = isThinned(answer) ? Math.max(density, this.density ?? 0) : density;
    const most = mostPoints(wish.widthPx);
    if (wish.wanted !== "auto" || resolution.kind === "points" || !fewEnough(readings, most)) return answer;
    return this.ask(wish, { kind: "points", most }, signal);
  }

  private show(answer: Answer): Answer {
    this.answer = answer;
    this.made.clear();
    this.resolution.value = answer.resolution;
    this.changed();
    return answer;
  }

  /** Windows grow with time: the newest are asked for again, the others stay. */
  private refreshIn(answer: Answer, signal: AbortSignal): void {
    if (answer.resolution.kind !== "windows") return;
    const { every } = answer.resolution;
    this.later(refreshMs(every), () => {
      if (document.hidden) this.refreshIn(answer, signal);
      else if (isFixed(every)) void this.attempt(signal, () => this.readTail(answer, signal));
      else this.load(0, null);
    });
  }

  private async readTail(answer: Answer, signal: AbortSignal): Promise<void> {
    const { wish, resolution, tracks } = answer;
    if (resolution.kind !== "windows") return;
    const from = Math.min(...[...tracks.values()].map((track) => tailFrom(track, resolution.every) ?? -Infinity));
    if (!Number.isFinite(from)) return this.load(0, null);
    const asked = { from, to: serverNow() };
    for await (const found of readSeries(questionOf(wish, resolution, asked), signal)) {
      if (signal.aborted) return;
      for (const [metric, columns] of found) {
        const tail = trackFrom(columns, wish, resolution, asked);
        tracks.set(metric, withTail(tracks.get(metric) ?? EMPTY, tail));
      }
    }
    this.refreshIn(this.show({ ...answer, asked: { from: answer.asked.from, to: asked.to } }), signal);
  }
}

/** So near that the margins of its answer will do. */
function nearly(one: Wish, other: Wish): boolean {
  const [{ span: a, ...rest }, { span: b, ...others }] = [one, other];
  const off = Math.max(Math.abs(a.from - b.from), Math.abs(a.to - b.to));
  return off < lengthOf(a) / 10 && JSON.stringify(rest) === JSON.stringify(others);
}
