// System, light or dark; remembered in this browser. public/theme.js applies it before the first paint.
import { ref, watchEffect } from "vue";
import { keep, kept } from "./kept";

export type Theme = "system" | "light" | "dark";
const KEY = "telemetrio.theme";

export const theme = ref<Theme>(remembered());
/** Rises whenever colours change, for what is painted and not styled. */
export const palette = ref(0);

watchEffect(() => {
  const chosen = theme.value;
  if (chosen === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = chosen;
  keep(KEY, chosen);
  palette.value += 1;
}, { flush: "sync" });

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  palette.value += 1;
});

function remembered(): Theme {
  const seen = kept(KEY);
  return seen === "light" || seen === "dark" ? seen : "system";
}
