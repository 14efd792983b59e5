// The online site: report a problem, follow it up, what is nearby, the service guide.

import { button, div, element, elementById, notify, waitForPaintedText } from "../dom";
import {
  languageTag,
  loadLocale,
  otherLanguage,
  preferredLanguage,
  switchLanguage,
  text,
} from "../locale";
import { attachSearch, type CityHit, labelSearchField, searchCity } from "../search";
import { type Field, fieldGroup } from "./fields";
import { followUpForm, openCase, ticketOfLink } from "./follow-up";
import { serviceGuide } from "./kinds";
import { nearbyList } from "./nearby";
import { describePlace, openPlaceMap, PlacePicker } from "./place-picker";
import { receipt } from "./receipt";
import { type Filed, fetchKinds, type Kind, type Ticket } from "./report-api";
import { createReportForm, draftPlace, type ReportForm } from "./report-form";
import "./report.css";

const TABS = ["new", "follow", "nearby", "guide"] as const;
type Tab = (typeof TABS)[number];
/** Tabs beside the map. */
const TABS_WITH_MAP: Tab[] = ["new", "nearby"];

async function start(): Promise<void> {
  const ticket = ticketOfLink(location.hash);
  // the secret does not stay in the address, which others may see
  if (ticket) history.replaceState(history.state, "", `${location.pathname}#follow`);
  await loadLocale(preferredLanguage(), "report");
  const kindsLoaded = fetchKinds(); // in the language that is now known
  writeFrame();
  const picker = new PlacePicker((changed) => {
    elementById("place").querySelector("output")!.textContent = describePlace(changed);
    placeField.showMessage("");
  });
  const placeField = createPlaceField(picker);
  const siteLoaded = kindsLoaded.then((kinds) => new Site(kinds, picker, placeField));
  const choose = (hit: CityHit) => void siteLoaded.then((site) => site.goToHit(hit));
  attachSearch({ search: searchCity, choose });
  const site = await siteLoaded;
  site.open(ticket);
  // show the form first: it works without the map, whose code is large
  await waitForPaintedText();
  await openPlaceMap(picker);
  (elementById("centre") as HTMLButtonElement).disabled = false;
  site.handleMap();
}

/** The parts of the page and what happens when another one is chosen. */
class Site {
  private form: ReportForm;
  private nearby;

  constructor(
    private readonly kinds: Kind[],
    private readonly picker: PlacePicker,
    private readonly placeField: Field,
  ) {
    this.form = this.createForm();
    this.nearby = nearbyList(
      () => picker.place ?? picker.centre(),
      (places) => picker.showNearby(places),
    );
    const draft = draftPlace();
    if (draft) picker.setPlace(draft, true);
    window.addEventListener("hashchange", () => this.showTab(tabOfAddress()));
    window.addEventListener("online", () => this.form.retry());
  }

  /** Show what the address asks for. */
  open(ticket: Ticket | null): void {
    this.showTab(ticket ? "follow" : tabOfAddress(), ticket ?? undefined, false);
    document.querySelector("footer")!.hidden = false; // not before: it would be pushed away
  }

  /** Adapt the page to the map once it has been loaded. */
  handleMap(): void {
    if (tabOfAddress() === "nearby") void this.nearby.refresh();
  }

  private showTab(tab: Tab, ticket?: Ticket, isFocused = true): void {
    for (const link of elementById("tabs").querySelectorAll("a")) {
      if (link.hash === `#${tab}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    elementById("place").hidden = !TABS_WITH_MAP.includes(tab);
    this.picker.map?.resize();
    show(this.contentOf(tab, ticket), isFocused);
    if (tab === "nearby") void this.nearby.refresh();
  }

  private contentOf(tab: Tab, ticket?: Ticket): HTMLElement {
    if (tab === "follow") return followUpForm(show, ticket);
    if (tab === "nearby") return this.nearby.root;
    if (tab === "guide") return serviceGuide(this.kinds, (kind) => this.reportKind(kind));
    return this.form.root;
  }

  private createForm(): ReportForm {
    return createReportForm(this.kinds, this.picker, this.placeField, (filed) =>
      this.showReceipt(filed),
    );
  }

  private showReceipt(filed: Filed): void {
    elementById("place").hidden = true;
    const followUp = (ticket: Ticket) => {
      const leave = () => show(followUpForm(show));
      openCase(shown, ticket, { show, leave }).catch((error: Error) => notify(error.message));
    };
    const another = () => {
      this.picker.clear();
      this.form = this.createForm();
      this.showTab("new");
    };
    const shown = receipt(filed, { followUp, another });
    show(shown);
  }

  private reportKind({ key }: Kind): void {
    this.form.kind.choose(key);
    location.hash = "#new";
  }

  /** Go to a place that was searched for. */
  goToHit(hit: CityHit): void {
    if (hit.kind === "region" || hit.kind === "grid") {
      this.picker.map?.fitBounds(hit.bbox, { duration: 0 });
      return;
    }
    this.picker.setPlace([hit.lon, hit.lat], true);
    this.form.setAddress([hit.address, hit.name].filter(Boolean).join(" "));
  }
}

function tabOfAddress(): Tab {
  return TABS.find((tab) => location.hash === `#${tab}`) ?? "new";
}

/** Show a part of the page; its heading takes the focus, so that screen readers go on there. */
function show(content: HTMLElement, isFocused = true): void {
  elementById("view").replaceChildren(content);
  if (isFocused) content.querySelector("h2")?.focus();
}

function writeFrame(): void {
  document.title = `${text("online.title")} · Gridatlas`;
  document.querySelector("h1")!.textContent = text("online.title");
  elementById("home").textContent = text("online.to_map");
  const privacy = elementById("privacy") as HTMLAnchorElement;
  privacy.textContent = text("online.privacy");
  privacy.search = `lang=${languageTag().split("-")[0]}`;
  const language = elementById("language");
  language.textContent = text("page.language");
  language.lang = languageTag(otherLanguage());
  language.addEventListener("click", switchLanguage);
  const tabs = elementById("tabs");
  tabs.setAttribute("aria-label", text("online.tabs"));
  tabs.replaceChildren(
    ...TABS.map((tab) => element("a", { href: `#${tab}` }, text(`online.tab_${tab}`))),
  );
}

/** Search, map and chosen place; messages about the place appear under them. */
function createPlaceField(picker: PlacePicker): Field {
  const search = element("input", {
    id: "search",
    type: "search",
    role: "combobox",
    autocomplete: "off",
    "aria-expanded": "false",
    "aria-controls": "found",
  });
  const centre = button(text("online.place_centre"), () => picker.setPlaceToCentre(), {
    id: "centre",
    disabled: "", // until there is a map
  });
  const field = fieldGroup(
    text("online.place"),
    text("online.place_help"),
    search,
    element("ul", { id: "found", role: "listbox", "aria-label": text("page.search"), hidden: "" }),
    element("div", { id: "map" }),
    div(
      "ways",
      button(text("page.here"), () => picker.locate(), { id: "here" }),
      centre,
    ),
    element("output", {}, text("online.no_place")),
  );
  elementById("place").replaceChildren(field.root);
  labelSearchField();
  return field;
}

start().catch((error: Error) => notify(text("page.failed", { reason: error.message })));
