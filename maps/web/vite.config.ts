import { defineConfig, type Plugin, type Rollup } from "vite";

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

/** The field app's service worker, with the list of all files that the app needs, and its icons. */
const fieldWorker: Plugin = {
  name: "field-worker",
  enforce: "post",
  generateBundle: {
    order: "post",
    async handler(_, bundle) {
      const files = [...filesOf("field.html", bundle)].sort().map((name) => `/static/${name}`);
      const page = bundle["field.html"] as Rollup.OutputAsset;
      const version = await digest(String(page.source) + files.join());
      const worker = await this.fs.readFile("src/field/worker.js", { encoding: "utf8" });
      const source = worker
        .replace('"__VERSION__"', JSON.stringify(version))
        .replace("__FILES__", JSON.stringify(files));
      this.emitFile({ type: "asset", fileName: "field/worker.js", source });
      for (const icon of ["icon-192.png", "icon-512.png"]) {
        const picture = await this.fs.readFile(`src/field/${icon}`);
        this.emitFile({ type: "asset", fileName: `field/${icon}`, source: picture });
      }
    },
  },
};

async function digest(content: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(content));
  return [...new Uint8Array(bytes.slice(0, 6))].map((byte) => byte.toString(16)).join("-");
}

/** The files that a page loads, directly or through its modules. */
function filesOf(page: string, bundle: Rollup.OutputBundle): Set<string> {
  const chunks = Object.values(bundle).filter((one) => one.type === "chunk");
  const files = new Set<string>();
  const add = (chunk: Rollup.OutputChunk | undefined): void => {
    if (!chunk || files.has(chunk.fileName)) return;
    files.add(chunk.fileName);
    const { importedAssets, importedCss } = chunk.viteMetadata!;
    for (const name of [...importedAssets, ...importedCss]) files.add(name);
    for (const name of [...chunk.imports, ...chunk.dynamicImports]) {
      add(chunks.find((one) => one.fileName === name));
    }
  };
  add(chunks.find((one) => one.facadeModuleId?.endsWith(`/${page}`)));
  const html = String((bundle[page] as Rollup.OutputAsset).source);
  for (const [, name] of html.matchAll(/\/static\/(assets\/[^"]+)/g)) files.add(name!);
  return files;
}

/** Whether a module belongs to all pages: those of src itself but the map, which is loaded late. */
function isShared(id: string): boolean {
  return /\/src\/(?!map\.ts)[\w-]+\.ts$|\/openapi-fetch\/|vite\/preload-helper/.test(id);
}

// The pages and their assets, served by the API under /static/.
export default defineConfig({
  base: "/static/",
  publicDir: false,
  plugins: [head, fieldWorker],
  build: {
    target: "es2022",
    sourcemap: false,
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: [
        ...["index.html", "plan.html", "fire.html", "data.html", "cases.html", "assess.html"],
        ...["admin.html", "ogc.html", "signed-in.html", "field.html"],
        ...["report.html", "kiosk.html", "legal.html"],
      ],
      // one file for what all pages share: every small file is a request before the first paint
      output: { manualChunks: (id) => (isShared(id) ? "shared" : null) },
    },
    // maplibre-gl is one module of a megabyte; splitting it gains nothing
    chunkSizeWarningLimit: 1200,
  },
});
