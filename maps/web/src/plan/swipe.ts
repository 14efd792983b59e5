// Two maps of the same place, one swiped over the other.

import type { Map as LibreMap } from "maplibre-gl";

import { element, elementById } from "../dom";
import { text } from "../locale";

/** Keep two maps at the same view. */
export function linkMaps(one: LibreMap, other: LibreMap): void {
  let isFollowing = false;
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on("move", () => {
      if (isFollowing) return;
      isFollowing = true;
      to.jumpTo({ center: from.getCenter(), zoom: from.getZoom() });
      isFollowing = false;
    });
  }
}

/** Show the line between the two maps, which pointer or keys move. */
export function showSwipe(): void {
  const place = elementById("swipe");
  place.hidden = false;
  const range = element("input", {
    type: "range",
    min: "0",
    max: "100",
    value: "50",
    "aria-label": text("plan.swipe"),
  });
  const line = element("i");
  const set = () => {
    elementById("map").style.clipPath = `inset(0 0 0 ${range.value}%)`;
    line.style.left = `${range.value}%`;
  };
  range.addEventListener("input", set);
  place.replaceChildren(line, range);
  set();
}

/** Leave only the map itself. */
export function hideSwipe(): void {
  for (const id of ["other", "swipe"]) elementById(id).hidden = true;
}
