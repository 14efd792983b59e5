import { defineConfig } from "vite";

// The page: index.html and its assets, served by the API under /static/.
export default defineConfig({
  base: "/static/",
  publicDir: false,
  build: {
    target: "es2022",
    sourcemap: false,
    modulePreload: { polyfill: false },
    // maplibre-gl is one module of a megabyte; splitting it gains nothing
    chunkSizeWarningLimit: 1200,
  },
});
