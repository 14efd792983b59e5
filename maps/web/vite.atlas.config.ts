import { defineConfig } from "vite";

// What each atlas page carries inside: Leaflet and our own few lines as one classic script
// (folium's scripts look for the global L), and one stylesheet with its pictures inlined.
export default defineConfig({
  base: "./",
  publicDir: false,
  build: {
    target: "es2020",
    assetsInlineLimit: 64 * 1024,
    cssCodeSplit: false,
    lib: {
      entry: "src/atlas/main.ts",
      formats: ["iife"],
      name: "gridatlas",
      fileName: () => "atlas.js",
      cssFileName: "atlas",
    },
  },
});
