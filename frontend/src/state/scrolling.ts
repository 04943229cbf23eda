// How far the page is scrolled past a box, for lists of which only the part near the window exists.
import { onMounted, onUnmounted, ref } from "vue";
import type { Ref } from "vue";

export function useScrolling(box: Ref<HTMLElement | null>) {
  const width = ref(0);
  /** Of the box's top edge, above that of the window. */
  const top = ref(0);
  const windowHeight = ref(innerHeight);

  let asked = false;
  function measure(): void {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      if (box.value === null) return;
      const seen = box.value.getBoundingClientRect();
      width.value = seen.width;
      top.value = -seen.top;
      windowHeight.value = innerHeight;
    });
  }

  const observer = new ResizeObserver(measure);
  onMounted(() => {
    if (box.value !== null) {
      width.value = box.value.clientWidth;
      observer.observe(box.value);
    }
    addEventListener("scroll", measure, { passive: true });
    addEventListener("resize", measure);
  });
  onUnmounted(() => {
    observer.disconnect();
    removeEventListener("scroll", measure);
    removeEventListener("resize", measure);
  });
  return { width, top, windowHeight };
}
