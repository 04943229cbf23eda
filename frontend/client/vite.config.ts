// The client as one file, which `telemetrio up` serves at /client.js for pages that build nothing.
import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  publicDir: false,
  build: {
    outDir: "../../telemetrio/web",
    emptyOutDir: false,
    target: "es2022",
    lib: { entry: "src/index.ts", formats: ["es"], fileName: () => "client.js" },
  },
});
