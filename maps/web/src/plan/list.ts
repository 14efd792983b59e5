// The communities of one's scope.

import { byId, element } from "../dom";
import { number, text } from "../locale";
import { session } from "../session";
import * as api from "./api";
import type { CommunityFeature } from "./api";

export async function showList(): Promise<void> {
  const found = await api.communities(session()?.scope ?? "");
  const search = element("input", {
    type: "search",
    id: "search",
    placeholder: text("plan.search"),
    "aria-label": text("plan.search"),
  });
  const list = element("ul", { class: "communities" });
  const fill = () => {
    const asked = search.value.trim();
    const rows = found.filter(({ properties: { name, code } }) => name.includes(asked) || code.includes(asked));
    list.replaceChildren(...rows.map(row));
    if (rows.length === 0) list.append(element("li", { class: "none" }, text("plan.none_found")));
  };
  search.addEventListener("input", fill);
  fill();
  byId("side").replaceChildren(
    element("div", { class: "heading" }, element("h1", {}, text("plan.communities")), element("p", {}, text("plan.choose_community"))),
    search,
    list,
  );
}

function row({ properties: { code, name, grids, households } }: CommunityFeature): HTMLElement {
  const figures =
    grids === null
      ? text("page.not_drawn")
      : `${text("page.grids_unit", { grids: number(grids) })} · ${text("page.households_unit", { households: number(households ?? 0) })}`;
  const link = element("a", { href: `/plan/c/${code}` }, element("b", {}, name), element("small", {}, figures));
  return element("li", {}, link);
}
