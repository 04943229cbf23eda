// Where a device was silent: a chart must not draw a line through time in which nothing was measured.

const SHORTEST_GAP_MS = 10_000;
const STEPS_PER_GAP = 5;
/** So many steps before and after one tell what is usual there: a device may change its pace. */
const NEIGHBOURS = 8;
const STANDS_OUT = 2;

/** 1 at each index that silence separates from the point before it: five usual steps, and never less than 10 s. */
export function gapsOf(xs: ArrayLike<number>, shortestMs = SHORTEST_GAP_MS, steps = STEPS_PER_GAP): Uint8Array {
  const gaps = new Uint8Array(xs.length);
  for (let i = 1; i < xs.length; i += 1) {
    const step = stepBefore(xs, i);
    if (step <= shortestMs || step <= Math.min(STANDS_OUT, steps) * Math.min(stepBefore(xs, i - 1), stepBefore(xs, i + 1))) continue;
    const usual = Math.max(usualStep(xs, i - NEIGHBOURS, i), usualStep(xs, i + 1, i + 1 + NEIGHBOURS));
    if (step > steps * usual) gaps[i] = 1;
  }
  return gaps;
}

/** Infinite beyond both ends. */
function stepBefore(xs: ArrayLike<number>, i: number): number {
  return i < 1 || i >= xs.length ? Infinity : xs[i]! - xs[i - 1]!;
}

/** The median of the steps that end in [from, to); 0 where there are none. */
function usualStep(xs: ArrayLike<number>, from: number, to: number): number {
  const steps: number[] = [];
  for (let i = Math.max(1, from); i < Math.min(xs.length, to); i += 1) steps.push(stepBefore(xs, i));
  steps.sort((a, b) => a - b);
  return steps[steps.length >> 1] ?? 0;
}
