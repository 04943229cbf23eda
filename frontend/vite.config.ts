// How the dashboard is built: into the Python package, with Swagger UI's own files beside it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import vue from "@vitejs/plugin-vue";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const SWAGGER_FILES = ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"];

/** Puts Swagger UI under /swagger/, from the installed package: nothing of it is kept in git, nothing comes from a CDN. */
function swaggerUi(): Plugin {
  const require = createRequire(import.meta.url);
  return {
    name: "swagger-ui",
    apply: "build",
    generateBundle() {
      for (const name of SWAGGER_FILES) {
        const source = readFileSync(require.resolve(`swagger-ui-dist/${name}`));
        this.emitFile({ type: "asset", fileName: `swagger/${name}`, source });
      }
    },
  };
}

// `npm run dev` shows the page with hot reload, against a telemetrio that runs beside it.
const backend = process.env["TELEMETRIO_BACKEND"] ?? "http://127.0.0.1:5000";
const proxied = { target: backend, changeOrigin: true };

export default defineConfig({
  plugins: [vue(), swaggerUi()],
  // from its source: one build, one lock, and a change of it is seen at once
  resolve: { alias: { "@telemetrio/client": fileURLToPath(new URL("client/src/index.ts", import.meta.url)) } },
  build: {
    outDir: "../telemetrio/web",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // data: URLs would need a hole in the content security policy
  },
  server: {
    host: "127.0.0.1",
    port: 5173,
    proxy: {
      "/api": proxied,
      "/docs": proxied,
      "/openapi.json": proxied,
      "/ws": { ...proxied, ws: true, rewriteWsOrigin: true },
    },
  },
  test: { include: ["test/**/*.test.ts", "client/test/**/*.test.ts"], environment: "node" },
});
