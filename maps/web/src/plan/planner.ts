// The views of the planner: communities, their plans, editing and comparing.

import { button, div, element, elementById, heading } from "../dom";
import { palette } from "../legend";
import { type Language, text } from "../locale";
import { loadStyle } from "../map-style";
import { showTourOnFirstVisit } from "../tour";
import { showCommunity } from "./community";
import { showCommunityList } from "./community-list";
import { showComparison } from "./comparison";
import { Editor } from "./editor";
import type { Plan } from "./plan-api";
import { currentPlace, onNavigate, type Place } from "./route";
import { showStaff } from "./staff";
import { showWhatIf } from "./what-if";
import { showWhatIfResult } from "./what-if-result";
import "./plan.css";

/** A page with a map, to be closed before the next one opens. */
interface OpenPage {
  plan?: Plan;
  close(): void;
}

let openPage: OpenPage | null = null;
/** Aborted when the reader goes elsewhere. */
let navigation = new AbortController();

export async function start(lang: Language): Promise<void> {
  elementById("side").tabIndex = 0; // it scrolls, so the keyboard has to reach it
  onNavigate((place) => void navigate(place, lang));
  await navigate(currentPlace(), lang);
}

async function navigate(place: Place, lang: Language): Promise<void> {
  navigation.abort();
  navigation = new AbortController();
  const { signal } = navigation;
  openPage?.close();
  openPage = null;
  const hasMap = place.page !== "community";
  elementById("work").hidden = !hasMap;
  elementById("state").textContent = "";
  elementById("tools").hidden = true;
  elementById("map").style.clipPath = "";
  elementById("preview").hidden = true;
  document.body.classList.toggle("mapped", hasMap);
  elementById("side").replaceChildren(element("p", { class: "none" }, text("page.loading")));
  showCrumbs(place);
  try {
    const opened = await renderPlace(place, lang, signal);
    openPage = opened;
    showCrumbs(place, opened?.plan);
    document.title = `${elementById("side").querySelector("h1")?.textContent ?? ""} · ${text("page.title_plan")}`;
    showTourOnFirstVisit(place.page === "plan" ? "edit" : "plan");
  } catch (error) {
    if (signal.aborted) return;
    elementById("side").replaceChildren(
      heading(text("page.not_shown"), (error as Error).message),
      div(
        "actions",
        button(text("page.try_again"), () => void navigate(place, lang), { class: "primary" }),
      ),
    );
  }
}

/** Show a place; throw where the signal is aborted before it can be shown. */
async function renderPlace(
  place: Place,
  lang: Language,
  signal: AbortSignal,
): Promise<OpenPage | null> {
  if (place.page === "plan") return Editor.open(place.id, lang, place.isReadOnly, signal);
  if (place.page === "compare") return showComparison(place.id, place.other, lang, signal);
  if (place.page === "what-if") return showWhatIf(place.communities, place.job, lang, signal);
  if (place.page === "what-if-result") return showWhatIfResult(place.job, lang, signal);
  if (place.page === "community")
    await showCommunity(place.code, place.job, () => loadGridColours(lang), signal);
  else if (place.page === "staff") await showStaff(signal);
  else return showCommunityList(lang, signal);
  return null;
}

let gridColours: Promise<string[]> | undefined;

function loadGridColours(lang: Language): Promise<string[]> {
  gridColours ??= loadStyle(lang, "published").then(palette);
  return gridColours;
}

/** Show the way back: communities, the community, the plan that is compared. */
function showCrumbs(place: Place, plan?: Plan): void {
  const links = [element("a", { href: "/plan" }, text("page.communities"))];
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
  if (place.page.startsWith("what-if"))
    links.push(element("a", { href: "/plan/what-if" }, text("what_if.title")));
  links.push(element("a", { href: "/plan/staff" }, text("staff.link")));
  elementById("crumbs").replaceChildren(...links);
}
