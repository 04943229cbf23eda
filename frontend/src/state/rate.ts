// Readings per second, counted where they arrive, with minutes of their own past for the sparklines.
import { ref, shallowRef } from "vue";

const SECONDS = 60;
const MINUTES_S = 300;
const MEAN_OF = 4;

let counted = 0;
let seconds: number[] = [];

export const perSecond = ref(0);
export const lastMinute = shallowRef<readonly number[]>([]);
export const lastMinutes = shallowRef<readonly number[]>([]);

export function count(readings: number): void {
  counted += readings;
}

setInterval(() => {
  seconds = [...seconds, counted].slice(-MINUTES_S);
  counted = 0;
  const newest = seconds.slice(-MEAN_OF);
  perSecond.value = newest.reduce((sum, n) => sum + n, 0) / newest.length;
  lastMinute.value = seconds.slice(-SECONDS);
  lastMinutes.value = seconds;
}, 1000);
