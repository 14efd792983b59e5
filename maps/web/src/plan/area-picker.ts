// Areas that are to be grids of their own, drawn on the map of a community.

import type { Polygon } from "geojson";

import { button, element, icon } from "../dom";
import { preferredLanguage, text } from "../locale";
import { createMap, loadStyle } from "../map";
import { ICONS } from "./icons";
import * as api from "./plan-api";
import type { Pen, PenMode } from "./shape-editor";

export interface Area {
  id: string;
  name: string;
  geometry: Polygon;
}

/** Let areas be drawn, named and taken away; `areas` holds them when the dialog is closed. */
export async function pickAreas(code: string, areas: Area[]): Promise<void> {
  const list = element("ul", { class: "found" });
  const bar = element("div", { class: "ways" });
  const dialog = element(
    "dialog",
    { class: "picker", "aria-label": text("plan.areas") },
    element("h2", {}, text("plan.areas")),
    element("p", {}, text("plan.areas_help")),
    bar,
    element("div", {
      id: "area-map",
      class: "picking",
      role: "application",
      "aria-label": text("plan.areas"),
    }),
    list,
    element(
      "div",
      { class: "ways" },
      button(text("plan.areas_done"), () => dialog.close(), { class: "primary" }),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  const closed = new Promise<void>((done) =>
    dialog.addEventListener("close", () => done(), { once: true }),
  );
  const { map, pen } = await openPen(code, (geometry, id) => {
    const known = areas.find((area) => area.id === id);
    if (known) known.geometry = geometry;
    else areas.push({ id, name: text("plan.area_number", { number: areas.length + 1 }), geometry });
    show();
  });
  const show = () =>
    list.replaceChildren(
      ...areas.map((area) =>
        areaRow(area, () => {
          areas.splice(areas.indexOf(area), 1);
          pen.erase(area.id);
          show();
        }),
      ),
    );
  pen.restore(areas);
  bar.replaceChildren(...penTools(pen));
  show();
  await closed;
  pen.put();
  map.remove();
  dialog.remove();
}

async function openPen(code: string, finished: (shape: Polygon, id: string) => void) {
  const [style, [community], { Pen }] = await Promise.all([
    loadStyle(preferredLanguage(), "published"),
    api.communities(code),
    import("./shape-editor"),
  ]);
  const map = createMap(style, community?.bbox, {
    container: "area-map",
    hash: false,
    padding: { top: 20, right: 20, bottom: 20, left: 20 },
  });
  await new Promise<void>((done) => void map.once("load", () => done()));
  Object.assign(window, { gridatlas: { map } });
  return { map, pen: new Pen(map, finished) };
}

function penTools(pen: Pen): HTMLElement[] {
  const modes: PenMode[] = ["polygon", "rectangle", "select"];
  const signs = { polygon: ICONS.dedicated, rectangle: ICONS.rectangle, select: ICONS.click };
  const buttons = modes.map((mode) => {
    const made = button(icon(signs[mode]), () => use(mode), {
      class: "tool",
      title: text(`plan.pen_${mode}`),
      "aria-label": text(`plan.pen_${mode}`),
    });
    made.dataset.pen = mode;
    return made;
  });
  const use = (mode: PenMode) => {
    pen.draw(mode);
    for (const one of buttons) one.setAttribute("aria-pressed", String(one.dataset.pen === mode));
  };
  use("polygon");
  return buttons;
}

function areaRow(area: Area, remove: () => void): HTMLElement {
  const name = element("input", {
    value: area.name,
    maxlength: "60",
    "aria-label": text("plan.grid_name"),
  });
  name.addEventListener("input", () => (area.name = name.value.trim() || area.name));
  return element("li", {}, name, button(text("plan.discard"), remove, { class: "quiet" }));
}
