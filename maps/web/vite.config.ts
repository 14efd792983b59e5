import { defineConfig } from "vite";

// The pages and their assets, served by the API under /static/.
export default defineConfig({
  base: "/static/",
  publicDir: false,
  build: {
    target: "es2022",
    sourcemap: false,
    modulePreload: { polyfill: false },
    rollupOptions: { input: ["index.html", "plan.html", "fire.html", "data.html"] },
    // maplibre-gl is one module of a megabyte; splitting it gains nothing
    chunkSizeWarningLimit: 1200,
  },
});
