// Runs before the first paint, so that a chosen theme never flashes in the other one. The page itself is state/theme.ts.
try {
  const chosen = localStorage.getItem("telemetrio.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden; the system's theme then holds.
}
