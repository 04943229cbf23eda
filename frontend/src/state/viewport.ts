// Which stretch of time the charts show: following the clock, or standing where somebody looked closer.
import { computed, onUnmounted, ref, shallowRef } from "vue";
import { serverNow } from "../api/http";
import { between, liveSpan, moved, zoomed } from "../readings/span";
import type { Span, View } from "../readings/span";

const TICK_MS = 500;
const USUAL_S = 900;

/** Kept while one looks from device to device. */
const remembered = ref(USUAL_S);

export function useViewport() {
  const view = shallowRef<View>({ live: true, seconds: remembered.value });
  const clock = ref(serverNow());
  /** When the first reading of the range was: of a new device no empty hours are shown. */
  const first = ref<number | undefined>();
  const span = computed((): Span => {
    if (!view.value.live) return view.value.span;
    return liveSpan(clock.value, view.value.seconds * 1000, first.value);
  });
  const timer = setInterval(() => {
    if (!document.hidden) clock.value = serverNow();
  }, TICK_MS);
  onUnmounted(() => clearInterval(timer));

  function show(chosen: Span): void {
    view.value = { live: false, span: chosen };
  }

  function follow(seconds: number = remembered.value): void {
    remembered.value = seconds;
    first.value = undefined;
    clock.value = serverNow();
    view.value = { live: true, seconds };
  }

  /** `earliest` looks for the first reading from a moment on; undefined where that is not known. */
  function begin(earliest: (from: number) => number | undefined): void {
    if (!view.value.live) return;
    const found = earliest(first.value ?? clock.value - view.value.seconds * 1000);
    if (found !== undefined && Number.isFinite(found)) first.value = found;
  }

  return {
    view,
    span,
    show,
    follow,
    begin,
    zoom: (factor: number, at: number): void => show(zoomed(span.value, factor, at, serverNow())),
    pan: (byMs: number): void => show(moved(span.value, byMs, serverNow())),
    pick: (one: number, other: number): void => {
      const found = between(one, other, serverNow());
      if (found !== null) show(found);
    },
  };
}

export type Viewport = ReturnType<typeof useViewport>;
