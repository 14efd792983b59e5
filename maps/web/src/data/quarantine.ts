// What imports refused: seen, taken home, brought back mended, tried again.

import type { Feature } from "geojson";

import { button, definitionList, element, notify } from "../dom";
import { formatNumber, text } from "../locale";
import { draw, said, zoom } from "./change-map";
import type { Held, Run } from "./import-api";
import * as api from "./import-api";

export async function showQuarantine(
  run: number | null,
  place: HTMLElement,
  again: () => void,
): Promise<void> {
  const page = await api.quarantine(run, 0);
  const features = page.items.map(
    (one) =>
      ({ type: "Feature", geometry: one.geometry, properties: { change: "held" } }) as Feature,
  );
  const rows = page.items.map((one, index) => heldLine(one, features[index]!));
  const title = element(run === null ? "h1" : "h2", {}, text("data.quarantine"));
  const none = element("p", { class: "none" }, text("data.none_held"));
  place.replaceChildren(
    element(
      "div",
      { class: "heading" },
      title,
      element("p", {}, text("data.held_said", { count: formatNumber(page.numberMatched) })),
    ),
    ...(rows.length
      ? [heldWays(run, page.items, again), element("ul", { class: "runs" }, ...rows)]
      : [none]),
  );
  if (run === null) draw(features);
}

/** Take the quarantine home as a file, bring it back mended, or try again as it is. */
function heldWays(run: number | null, held: Held[], again: () => void): HTMLElement {
  const file = element("input", { type: "file", accept: ".geojson,.gpkg,.csv", hidden: "" });
  file.addEventListener(
    "change",
    () => file.files?.[0] && void replayed(api.replayFile(file.files[0]), again),
  );
  const of = run ?? held[0]!.run;
  return element(
    "div",
    { class: "actions" },
    ...["geojson", "csv", "gpkg"].map((format) =>
      button(text("data.download", { format }), () => void saved(run, format)),
    ),
    button(text("data.upload"), () => file.click(), { title: text("data.upload_help") }),
    file,
    button(text("data.replay", { run: of }), () => void replayed(api.replay(of), again), {
      class: "primary",
      title: text("data.replay_help"),
    }),
  );
}

async function saved(run: number | null, format: string): Promise<void> {
  try {
    const href = URL.createObjectURL(await api.download(run, format));
    element("a", {
      href,
      download: `quarantine${run === null ? "" : `-${run}`}.${format}`,
    }).click();
  } catch (error) {
    notify((error as Error).message);
  }
}

async function replayed(answer: Promise<{ runs: Run[] }>, again: () => void): Promise<void> {
  try {
    const { runs } = await answer;
    const waiting = runs.reduce((sum, run) => sum + run.waiting, 0);
    notify(
      text("data.replayed", { runs: runs.map((run) => `#${run.id}`).join(" "), waiting }),
      undefined,
      "calm",
    );
    again();
  } catch (error) {
    notify((error as Error).message);
  }
}

function heldLine(held: Held, feature: Feature): HTMLElement {
  const summary = element(
    "summary",
    {},
    element("b", {}, held.code ?? "—"),
    " ",
    held.said,
    element("small", {}, `${said("layer", held.layer)} · #${held.run}`),
  );
  const rows = Object.entries(held.properties ?? {}).map(([key, value]): [string, string] => [
    key,
    value === null ? "—" : String(value),
  ]);
  const more = element(
    "details",
    {},
    summary,
    element("p", {}, held.detail ?? ""),
    definitionList(rows),
    feature.geometry ? button(text("data.show"), () => zoom([feature])) : null,
  );
  more.addEventListener("toggle", () => more.open && feature.geometry && zoom([feature]));
  return element("li", {}, more);
}
