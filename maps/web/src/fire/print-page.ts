// Printing the panel with the map.

import type { Map as LibreMap } from "maplibre-gl";

import type { Extent } from "../bounds";

/** Print the panel below a map that shows the whole of an extent. */
export function printWithMap(map: LibreMap, extent: Extent): void {
  const view = { center: map.getCenter(), zoom: map.getZoom() };
  document.body.classList.add("printing");
  map.resize();
  map.fitBounds(extent, { padding: 20, maxZoom: 18, duration: 0 });
  const restore = () => {
    document.body.classList.remove("printing");
    map.resize();
    map.jumpTo(view);
  };
  window.addEventListener("afterprint", restore, { once: true });
  map.once("idle", () => window.print());
}
