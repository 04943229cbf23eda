// All that the charts of a device show: its lines, those it is compared with, and what the reader chose of them.
import { computed, onUnmounted, ref, shallowRef, watch } from "vue";
import type { Ref } from "vue";
import { numericMetrics } from "../figures/metrics";
import type { Values } from "../live/messages";
import { nameOf, shiftMs } from "../readings/comparison";
import type { Comparison } from "../readings/comparison";
import type { Wanted } from "../readings/resolution";
import type { Span } from "../readings/span";
import { shifted, summaryOf } from "../readings/track";
import type { Summary, Track } from "../readings/track";
import type { Drawn } from "../readings/windows";
import { listen } from "./feed";
import { findDevice } from "./fleet";
import { oncePerFrame } from "./frames";
import { Lines } from "./lines";
import { useViewport } from "./viewport";
import { timeZone } from "./zone";

export interface Curve {
  track: Track;
  summary: Summary;
}

export interface Panel {
  metric: string;
  own: Curve;
  other: Curve | null;
}

export interface Picture {
  span: Span;
  panels: Panel[];
}

const FRAME_MS = 16;
/** Readings may come by the hundred: the eye wants no more than this. */
const LIVE_FRAME_MS = 150;
const USUAL_WIDTH_PX = 800;

export function useCharts(deviceId: string, values: Ref<Values>) {
  const viewport = useViewport();
  const widthPx = ref(USUAL_WIDTH_PX);
  const wanted = ref<Wanted>("auto");
  const drawn = ref<Drawn>("band");
  const comparison = shallowRef<Comparison>({ with: "nothing" });
  const hidden = ref<ReadonlySet<string>>(new Set());
  const picture = shallowRef<Picture>({ span: viewport.span.value, panels: [] });
  const names = computed(() => numericMetrics(values.value).join("\n"));
  const metrics = computed(() => (names.value === "" ? [] : names.value.split("\n")));
  const shown = computed(() => metrics.value.filter((metric) => !hidden.value.has(metric)));
  const shift = computed(() => shiftMs(comparison.value, viewport.span.value, timeZone.value));
  const otherId = computed(() => (comparison.value.with === "device" ? comparison.value.deviceId : deviceId));
  const otherName = computed(() => nameOf(comparison.value, (id) => findDevice(id)?.view.value.name ?? id));

  const draw = oncePerFrame(() => {
    const span = viewport.span.value;
    const panels = shown.value.map((metric) => ({ metric, own: curveOf(own.track(metric), span), other: otherCurve(metric, span) }));
    picture.value = { span, panels };
  }, FRAME_MS);
  const drawLive = oncePerFrame(draw, LIVE_FRAME_MS);
  const own = new Lines(() => {
    viewport.begin((from) => own.firstSince(from));
    draw();
  });
  const other = new Lines(draw);
  own.take((findDevice(deviceId)?.recent.list() ?? []));

  function otherCurve(metric: string, span: Span): Curve | null {
    return comparison.value.with === "nothing" ? null : curveOf(shifted(other.track(metric), shift.value), span);
  }

  function ask(soon: boolean): void {
    const span = viewport.span.value;
    const wish = { deviceId, metrics: shown.value, span, widthPx: widthPx.value, wanted: wanted.value, drawn: drawn.value, timeZone: timeZone.value };
    own.want(wish, soon);
    if (comparison.value.with !== "nothing") {
      other.want({ ...wish, deviceId: otherId.value, span: { from: span.from - shift.value, to: span.to - shift.value } }, soon);
    }
    draw();
  }

  // Live first, then history: a reading that arrives meanwhile is in one of them, or in both and kept once.
  const deaf = listen({
    readings: (readings) => {
      own.take(readings.filter((reading) => reading.device_id === deviceId));
      if (comparison.value.with === "device") other.take(readings.filter((reading) => reading.device_id === otherId.value));
      if (viewport.view.value.live) drawLive();
    },
    missed: () => {
      own.again();
      if (comparison.value.with !== "nothing") other.again();
    },
  });
  watch(comparison, () => other.forget());
  watch([shown, wanted, drawn, comparison, timeZone], () => ask(false), { immediate: true });
  watch([viewport.span, widthPx], () => ask(true));
  onUnmounted(() => {
    deaf();
    own.close();
    other.close();
  });
  return { viewport, widthPx, wanted, drawn, comparison, hidden, picture, metrics, shown, otherName, own, other };
}

export type Charts = ReturnType<typeof useCharts>;

function curveOf(track: Track, span: Span): Curve {
  return { track, summary: summaryOf(track, span) };
}
