// The legend of the layers that overlays and the shut-off show, with a hint where the map is too
// far out for them.

import type { Map as LibreMap } from "maplibre-gl";

import { element } from "../dom";
import { text } from "../locale";
import { firstZoom, PIPE_COLOURS } from "./fire-layers";

type Sign = [key: string, colour: string, shape: "dot" | "line" | "area"];

/** Networks whose pipes the page loads. */
const NETWORKS = ["water", "gas"];

const SIGNS: Record<string, Sign[]> = {
  hydrant: [
    ["hydrant_ok", "#1b6ca8", "dot"],
    ["hydrant_due", "#b35900", "dot"],
    ["hydrant_out", "#a4161a", "dot"],
  ],
  "hydrant-area": [["hydrant_area", "#1b6ca82e", "area"]],
  lane: [
    ["lane_reached", "#1d7a3a", "line"],
    ["lane_unreached", "#a4161a", "line"],
  ],
  response: [
    ["response_near", "#0b5d3b", "area"],
    ["response_far", "#c7e9c0", "area"],
  ],
  station: [["station", "#c8102e", "dot"]],
  "micro-station": [["micro_station", "#e07a1f", "dot"]],
  pipe: NETWORKS.map((network): Sign => [`pipe_${network}`, PIPE_COLOURS[network]!, "line"]),
  valve: [["valve", "#ffffff", "dot"]],
};

/** List the signs of the visible layers. */
export function showLayerLegend(map: LibreMap): void {
  const list = document.getElementById("layer-legend");
  if (!list) return;
  const visible = Object.keys(SIGNS).filter(
    (id) => map.getLayoutProperty(id, "visibility") === "visible",
  );
  list.replaceChildren(
    ...visible.flatMap((id) => {
      const hint = map.getZoom() < firstZoom(map, id) ? text("fire.zoom_in") : "";
      return (SIGNS[id] ?? []).map((sign) => signItem(sign, hint));
    }),
  );
}

function signItem([key, colour, shape]: Sign, hint: string): HTMLElement {
  const mark = element("i", { class: `layer-sign ${shape}` });
  mark.style.background = colour;
  return element(
    "li",
    {},
    element("span", {}, mark, text(`fire.sign_${key}`)),
    hint ? element("small", {}, hint) : null,
  );
}
