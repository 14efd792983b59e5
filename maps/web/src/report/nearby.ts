// What others reported around a place: released cases, their places rounded.

import { button, element } from "../dom";
import { text } from "../locale";
import type { Place } from "../public/view-address";
import { fetchNearby, type Nearby } from "./report-api";

const RADIUS_M = 1000;

/** The list of released cases around a place, if it is known; `mark` shows them on the map. */
export function nearbyList(
  placeOf: () => Place | null,
  mark: (places: Place[]) => Promise<void>,
): { root: HTMLElement; refresh(): Promise<void> } {
  const list = element("ul", { class: "nearby", "aria-live": "polite" });
  let requestCount = 0;
  const refresh = async () => {
    const place = placeOf();
    if (!place) return;
    const count = ++requestCount;
    const items = await fetchNearby(...place, RADIUS_M).catch((error: Error) => error);
    if (count !== requestCount) return;
    if (items instanceof Error) {
      list.replaceChildren(element("li", {}, items.message));
      return;
    }
    void mark(items.map(({ lon, lat }) => [lon, lat]));
    list.replaceChildren(...items.map(nearbyItem));
    if (items.length === 0) {
      list.append(element("li", {}, text("online.nearby_none", { radius: RADIUS_M })));
    }
  };
  const root = element(
    "div",
    {},
    element("h2", { tabindex: "-1" }, text("online.nearby")),
    element("p", { class: "help" }, text("online.nearby_help", { radius: RADIUS_M })),
    button(text("online.nearby_refresh"), () => void refresh()),
    list,
  );
  return { root, refresh };
}

function nearbyItem({ kind_name, state_name, filed_on, closed_on }: Nearby[number]): HTMLElement {
  const days = [
    text("online.nearby_days", { filed: filed_on }),
    closed_on ? text("online.nearby_closed", { closed: closed_on }) : "",
  ].filter(Boolean);
  return element(
    "li",
    {},
    element("b", {}, kind_name),
    element("span", {}, state_name),
    element("small", {}, days.join(" · ")),
  );
}
