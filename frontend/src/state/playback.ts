// What the open device's charts show right now: a moving window over its history, or a paused one.
import { computed, onUnmounted, ref, shallowRef, watch } from "vue";
import type { Ref } from "vue";
import { serverNow } from "../api/http";
import type { Values } from "../live/messages";
import { numericMetrics } from "../figures/metrics";
import { pointsOf, toCurve, windowOf } from "../readings/curve";
import type { Curve, Span } from "../readings/curve";
import type { Row } from "../readings/merge";
import { History } from "./history";

const REDRAW_MS = 500;

export interface Drawn {
  span: Span;
  curves: { metric: string; curve: Curve }[];
}

export function usePlayback(deviceId: string, rangeS: Ref<number>, values: Ref<Values>) {
  const history = new History(deviceId, rangeS.value);
  const paused = ref(false);
  const arrived = ref(0);
  const width = ref(600);
  const drawn = shallowRef<Drawn>({ span: spanNow(), curves: [] });
  let pausedAt: Span | null = null;
  let rowsAtPause = 0;

  function spanNow(): Span {
    const first = history.state.value === "ready" ? history.rows[0]?.t : undefined;
    return windowOf(serverNow(), rangeS.value * 1000, first);
  }

  function draw(): void {
    const span = pausedAt ?? spanNow();
    const names = numericMetrics({ ...seenIn(history.rows), ...values.value });
    drawn.value = { span, curves: names.map((metric) => ({ metric, curve: curveOf(history.rows, metric, span, width.value) })) };
  }

  function tick(): void {
    if (document.hidden) return;
    if (pausedAt !== null) {
      arrived.value = history.rows.length - rowsAtPause;
      return;
    }
    history.trim(serverNow() - rangeS.value * 1100);
    draw();
  }

  const timer = setInterval(tick, REDRAW_MS);
  onUnmounted(() => {
    clearInterval(timer);
    history.close();
  });
  watch(paused, (now) => {
    pausedAt = now ? drawn.value.span : null;
    rowsAtPause = history.rows.length;
    arrived.value = 0;
    draw();
  });
  watch(rangeS, (seconds) => {
    paused.value = false;
    history.setRange(seconds);
    draw();
  });
  watch([history.state, width], draw);
  draw();
  const empty = computed(() => drawn.value.curves.every(({ curve }) => curve.count === 0));
  const { state, problem, cutAt } = history;
  return { paused, arrived, width, drawn, state, problem, cutAt, empty };
}

/** A little before the window is included, so that the line enters from the edge. */
function curveOf(rows: readonly Row[], metric: string, span: Span, widthPx: number): Curve {
  const wider = { from: span.from - (span.to - span.from) * 0.05, to: span.to };
  return toCurve(pointsOf(rows, metric, wider), wider, widthPx);
}

/** Metrics of the newest rows: history may know one that the latest values lack. */
function seenIn(rows: readonly Row[]): Values {
  return Object.assign({}, ...rows.slice(-20).map((row) => row.values)) as Values;
}
