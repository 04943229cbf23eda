// Work for the screen, once per animation frame however often it is asked for.

/** Coalesces calls: the first runs in the next frame, the following ones not before `spacingMs` have passed. */
export function oncePerFrame(work: () => void, spacingMs = 100): () => void {
  let asked = false;
  let lastRun = -Infinity;
  const run = (now: number): void => {
    if (now - lastRun < spacingMs) {
      requestAnimationFrame(run);
      return;
    }
    asked = false;
    lastRun = now;
    work();
  };
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(run);
  };
}
