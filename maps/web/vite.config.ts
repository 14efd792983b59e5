import { defineConfig, type Plugin } from "vite";

/** What the head of every page holds beside its title. */
const head: Plugin = {
  name: "head",
  transformIndexHtml: {
    order: "pre",
    handler: () => [
      { tag: "meta", attrs: { charset: "utf-8" }, injectTo: "head-prepend" },
      {
        tag: "meta",
        attrs: {
          name: "viewport",
          content: "width=device-width, initial-scale=1, viewport-fit=cover",
        },
      },
      { tag: "meta", attrs: { name: "theme-color", content: "#26323d" } },
      { tag: "link", attrs: { rel: "icon", href: "/src/icon.svg", type: "image/svg+xml" } },
    ],
  },
};

// The pages and their assets, served by the API under /static/.
export default defineConfig({
  base: "/static/",
  publicDir: false,
  plugins: [head],
  build: {
    target: "es2022",
    sourcemap: false,
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: [
        "index.html",
        "plan.html",
        "fire.html",
        "data.html",
        "ogc.html",
        "signed-in.html",
        "report.html",
        "kiosk.html",
        "legal.html",
      ],
    },
    // maplibre-gl is one module of a megabyte; splitting it gains nothing
    chunkSizeWarningLimit: 1200,
  },
});
