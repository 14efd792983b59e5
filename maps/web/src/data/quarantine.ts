// The quarantine: features that imports refused, to be exported, replaced by a mended file, or
// replayed.

import { button, definitionList, div, element, notify } from "../dom";
import { openBlob } from "../http";
import { formatNumber, text } from "../locale";
import { changeFeature, fitGeometry, showFeatures } from "./change-map";
import {
  exportQuarantine,
  fetchQuarantine,
  type QuarantinedFeature,
  type Run,
  replayFile,
  replayRun,
} from "./import-api";
import { label } from "./labels";

const FORMATS = ["geojson", "csv", "gpkg"] as const;

export async function showQuarantine(
  run: number | null,
  container: HTMLElement,
  reload: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { items, numberMatched } = await fetchQuarantine(run);
  signal.throwIfAborted();
  const title = element(run === null ? "h1" : "h2", {}, text("data.quarantine"));
  const count = text("data.held_said", { count: formatNumber(numberMatched) });
  container.replaceChildren(
    div("heading", title, element("p", {}, count)),
    ...(items.length
      ? [
          actionBar(run, items, reload),
          element("ul", { class: "runs" }, ...items.map(quarantineItem)),
        ]
      : [element("p", { class: "none" }, text("data.none_held"))]),
  );
  if (run === null) {
    showFeatures(
      items.flatMap(({ geometry }) => (geometry ? [changeFeature(geometry, "held")] : [])),
    );
  }
}

function actionBar(
  run: number | null,
  items: QuarantinedFeature[],
  reload: () => void,
): HTMLElement {
  const field = element("input", { type: "file", accept: ".geojson,.gpkg,.csv", hidden: "" });
  field.addEventListener("change", () => {
    const file = field.files?.[0];
    if (file) void reportReplay(replayFile(file), reload);
  });
  const replayed = run ?? items[0]!.run;
  return div(
    "actions",
    ...FORMATS.map((format) =>
      button(text("data.download", { format }), () => void download(run, format)),
    ),
    button(text("data.upload"), () => field.click(), { title: text("data.upload_help") }),
    field,
    button(
      text("data.replay", { run: replayed }),
      () => void reportReplay(replayRun(replayed), reload),
      { class: "primary", title: text("data.replay_help") },
    ),
  );
}

async function download(run: number | null, format: (typeof FORMATS)[number]): Promise<void> {
  try {
    const blob = await exportQuarantine(run, format);
    openBlob(blob, `quarantine${run === null ? "" : `-${run}`}.${format}`);
  } catch (error) {
    notify((error as Error).message);
  }
}

async function reportReplay(replay: Promise<{ runs: Run[] }>, reload: () => void): Promise<void> {
  try {
    const { runs } = await replay;
    const waiting = runs.reduce((sum, run) => sum + run.waiting, 0);
    const numbers = runs.map((run) => `#${run.id}`).join(" ");
    notify(text("data.replayed", { runs: numbers, waiting }), undefined, "calm");
    reload();
  } catch (error) {
    notify((error as Error).message);
  }
}

function quarantineItem(feature: QuarantinedFeature): HTMLElement {
  const { geometry } = feature;
  const summary = element(
    "summary",
    {},
    element("b", {}, feature.code ?? "—"),
    " ",
    feature.said,
    element("small", {}, `${label("layer", feature.layer)} · #${feature.run}`),
  );
  const rows = Object.entries(feature.properties).map(([key, value]): [string, string] => [
    key,
    value === null ? "—" : String(value),
  ]);
  const details = element(
    "details",
    {},
    summary,
    definitionList(rows),
    geometry ? button(text("data.show"), () => fitGeometry(geometry)) : null,
  );
  details.addEventListener("toggle", () => details.open && geometry && fitGeometry(geometry));
  return element("li", {}, details);
}
