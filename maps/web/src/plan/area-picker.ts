// A dialog in which areas that get a grid of their own are drawn on the map.

import type { Polygon } from "geojson";

import { button, div, element, icon } from "../dom";
import { preferredLanguage, text } from "../locale";
import { createMap, waitForLoad } from "../map";
import { loadStyle } from "../map-style";
import { ICONS } from "./icons";
import { fetchCommunities } from "./plan-api";
import type { ShapeEditor, ShapeMode } from "./shape-editor";

export interface DrawnArea {
  id: string;
  name: string;
  geometry: Polygon;
}

/** Let areas be drawn, named and removed; `areas` is changed in place. */
export async function pickAreas(code: string, areas: DrawnArea[]): Promise<void> {
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
    div(
      "ways",
      button(text("plan.areas_done"), () => dialog.close(), { class: "primary" }),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  const closed = new Promise<void>((resolve) =>
    dialog.addEventListener("close", () => resolve(), { once: true }),
  );
  const { map, shapes } = await openShapeEditor(code, (geometry, id) => {
    const area = areas.find((known) => known.id === id);
    const name = text("plan.area_number", { number: areas.length + 1 });
    if (area) area.geometry = geometry;
    else areas.push({ id, name, geometry });
    show();
  });
  const show = () =>
    list.replaceChildren(
      ...areas.map((area) =>
        areaRow(area, () => {
          areas.splice(areas.indexOf(area), 1);
          shapes.removeShape(area.id);
          show();
        }),
      ),
    );
  shapes.addShapes(areas);
  bar.replaceChildren(...shapeTools(shapes));
  show();
  await closed;
  shapes.stop();
  map.remove();
  dialog.remove();
}

async function openShapeEditor(code: string, onFinish: (shape: Polygon, id: string) => void) {
  const [style, [community], { ShapeEditor }] = await Promise.all([
    loadStyle(preferredLanguage(), "published"),
    fetchCommunities(code),
    import("./shape-editor"),
  ]);
  const map = createMap(style, community?.bbox, {
    container: "area-map",
    hash: false,
    padding: { top: 20, right: 20, bottom: 20, left: 20 },
  });
  await waitForLoad(map);
  Object.assign(window, { gridatlas: { map } });
  return { map, shapes: new ShapeEditor(map, onFinish) };
}

function shapeTools(shapes: ShapeEditor): HTMLElement[] {
  const modes: ShapeMode[] = ["polygon", "rectangle", "select"];
  const icons = { polygon: ICONS.dedicated, rectangle: ICONS.rectangle, select: ICONS.click };
  const buttons = modes.map((mode) => {
    const tool = button(icon(icons[mode]), () => setMode(mode), {
      class: "tool",
      title: text(`plan.pen_${mode}`),
      "aria-label": text(`plan.pen_${mode}`),
    });
    tool.dataset.pen = mode;
    return tool;
  });
  const setMode = (mode: ShapeMode) => {
    shapes.setMode(mode);
    for (const tool of buttons) {
      tool.setAttribute("aria-pressed", String(tool.dataset.pen === mode));
    }
  };
  setMode("polygon");
  return buttons;
}

function areaRow(area: DrawnArea, remove: () => void): HTMLElement {
  const name = element("input", {
    value: area.name,
    maxlength: "60",
    "aria-label": text("plan.grid_name"),
  });
  name.addEventListener("input", () => {
    area.name = name.value.trim() || area.name;
  });
  return element("li", {}, name, button(text("plan.discard"), remove, { class: "quiet" }));
}
