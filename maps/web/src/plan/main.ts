// The planner: communities, their plans, editing, comparing.

import { button, element, elementById } from "../dom";
import { palette } from "../legend";
import { type Language, text } from "../locale";
import { loadStyle } from "../map";
import { openStaffPage, runPage } from "../staff-page";
import { showTourOnFirstVisit } from "../tour";
import { showCommunity } from "./community";
import { showList } from "./community-list";
import { showComparison } from "./comparison";
import { Editor } from "./editor";
import type { Plan } from "./plan-api";
import { onPlace, type Place, whereTo } from "./route";
import "maplibre-gl/dist/maplibre-gl.css";
import "../staff-page.css";
import "./plan.css";

/** A page with a map, that has to be let go of. */
interface Opened {
  plan: Plan;
  close(): void;
}

let open: Opened | null = null;
let turn = 0;

async function start(): Promise<void> {
  const edits = () => document.body.classList.contains("mapped");
  const lang = await openStaffPage({
    page: "plan",
    role: "planner",
    title: "plan.title",
    tour: () => (edits() ? "edit" : "plan"),
  });
  onPlace((place) => void show(place, lang));
  await show(whereTo(), lang);
}

async function show(place: Place, lang: Language): Promise<void> {
  const own = ++turn;
  open?.close();
  open = null;
  const mapped = place.page === "plan" || place.page === "compare";
  elementById("work").hidden = !mapped;
  elementById("state").textContent = "";
  elementById("tools").hidden = true;
  elementById("map").style.clipPath = "";
  elementById("preview").hidden = true;
  document.body.classList.toggle("mapped", mapped);
  elementById("side").replaceChildren(element("p", { class: "none" }, text("plan.loading")));
  crumbs(place);
  try {
    const opened = await shown(place, lang);
    if (own !== turn) return opened?.close();
    open = opened;
    crumbs(place, opened?.plan);
    document.title = `${elementById("side").querySelector("h1")?.textContent ?? ""} · ${text("plan.title")}`;
    showTourOnFirstVisit(place.page === "plan" ? "edit" : "plan");
  } catch (error) {
    elementById("side").replaceChildren(
      element(
        "div",
        { class: "heading" },
        element("h1", {}, text("plan.not_shown")),
        element("p", {}, (error as Error).message),
      ),
      element(
        "div",
        { class: "actions" },
        button(text("plan.again"), () => void show(place, lang), { class: "primary" }),
      ),
    );
  }
}

async function shown(place: Place, lang: Language): Promise<Opened | null> {
  if (place.page === "plan") return Editor.open(place.id, lang, place.onlyShown);
  if (place.page === "compare") return showComparison(place.id, place.other, lang);
  if (place.page === "community") await showCommunity(place.code, place.job, () => fills(lang));
  else await showList();
  return null;
}

let known: Promise<string[]> | undefined;

function fills(lang: Language): Promise<string[]> {
  known ??= loadStyle(lang, "published").then(palette);
  return known;
}

/** Communities, then the community, then the plan that is compared. */
function crumbs(place: Place, plan?: Plan): void {
  const links = [element("a", { href: "/plan" }, text("plan.communities"))];
  if (plan) links.push(element("a", { href: `/plan/c/${plan.community_code}` }, plan.community));
  if (place.page === "community")
    links.push(
      element(
        "a",
        { href: `/plan/c/${place.code}` },
        elementById("side").querySelector("h1")?.textContent ?? "",
      ),
    );
  if (place.page === "compare")
    links.push(element("a", { href: `/plan/p/${place.id}` }, text("plan.back_to_plan")));
  elementById("crumbs").replaceChildren(...links);
}

runPage(start);
