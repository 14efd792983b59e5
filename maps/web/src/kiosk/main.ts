// The terminal of a service hall: by touch alone, wiped when nobody touches it any more.

import { button, div, element, elementById, notify } from "../dom";
import { api, bodyOf } from "../http";
import { palette } from "../legend";
import { languageTag, loadLocale, otherLanguage, preferredLanguage, text } from "../locale";
import { selectGrid, waitForStyle } from "../map-style";
import { showGrid } from "../public/grid-card";
import { fetchGrid, fetchShareLink, type Grid } from "../public/public-api";
import { readSelection } from "../public/view-address";
import { openCase } from "../report/follow-up";
import { groupKinds, guideEntry, sortForGuide } from "../report/kinds";
import { openPlaceMap, PlacePicker } from "../report/place-picker";
import { receipt } from "../report/receipt";
import { type Filed, fetchKinds, type Kind, type Ticket } from "../report/report-api";
import { IdleTimer, wipeStorage } from "./idle";
import { DIGITS, keypad, SECRET_LETTERS } from "./keypad";
import { ReportSteps } from "./report-steps";
import { screen, stepButtons, tiles } from "./screens";
import "./kiosk.css";

/** Seconds before the reset in which the visitor is asked. */
const WARNING_S = 15;
const NUMBER_LENGTH = 16;

class Kiosk {
  private picker: PlacePicker | null = null;
  private mapBox: HTMLElement | null = null;
  private onPlace: (picker: PlacePicker) => void = () => undefined;
  private kinds: Kind[] = [];
  /** Counts visitors, and changes of the language: answers for an earlier one are dropped. */
  private visitor = 0;
  private focusBefore: HTMLElement | null = null;
  private readonly timer: IdleTimer;

  constructor(idleS: number) {
    this.timer = new IdleTimer(idleS, {
      tick: (seconds) => this.showCountdown(seconds, idleS),
      end: () => void this.reset(),
    });
    // no link may lead away from the terminal
    document.addEventListener(
      "click",
      (event) => {
        if ((event.target as Element).closest("a")) event.preventDefault();
      },
      { capture: true },
    );
    document.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  /** Forget the visitor: everything entered, the map's view, storage, language. */
  async reset(): Promise<void> {
    this.timer.stop();
    this.picker?.remove();
    this.picker = null;
    this.mapBox = null;
    wipeStorage();
    elementById("still").hidden = true;
    for (const dialog of document.querySelectorAll("dialog")) dialog.remove();
    elementById("notice").hidden = true;
    elementById("notice").replaceChildren();
    elementById("countdown").textContent = "";
    await this.speak(preferredLanguage());
  }

  /** Go home in a language; meanwhile there is nothing to touch. */
  private async speak(language: "zh" | "en"): Promise<void> {
    const visitor = ++this.visitor;
    elementById("screen").replaceChildren();
    await loadLocale(language, "kiosk").catch(() => undefined); // the texts from before stay
    const loaded = await fetchKinds().catch((error: Error) => notify(error.message));
    if (visitor !== this.visitor) return;
    if (loaded) this.kinds = loaded;
    this.home();
  }

  private home = (): void => {
    document.title = `${text("kiosk.title")} · Gridatlas`;
    elementById("title").textContent = text("kiosk.title");
    elementById("restart").textContent = text("kiosk.home");
    elementById("go-on").textContent = text("kiosk.go_on");
    elementById("still-title").textContent = text("kiosk.still_there");
    elementById("still-help").textContent = text("kiosk.still_help");
    const other = otherLanguage();
    const language = button(text("page.language"), () => void this.speak(other), {
      lang: languageTag(other),
      class: "language",
    });
    const entries: [string, () => void][] = [
      [text("kiosk.grid"), () => void this.findGrid()],
      [text("online.title"), () => this.createReport().start()],
      [text("online.follow_now"), () => this.enterNumber("")],
      [text("online.guide"), () => this.showGuide()],
    ];
    const privacy = button(text("kiosk.privacy"), () => void this.showPrivacy());
    this.show(
      screen(
        { title: text("kiosk.choose") },
        div("home", tiles(entries)),
        div("steps", language, privacy),
      ),
    );
  };

  private show = (content: HTMLElement): void => {
    elementById("screen").replaceChildren(content);
    window.scrollTo(0, 0);
    content.querySelector("h2")?.focus();
  };

  private showCountdown(seconds: number, idleS: number): void {
    elementById("countdown").textContent = text("kiosk.countdown", { seconds });
    const still = elementById("still");
    const isEnding = seconds <= Math.min(WARNING_S, idleS / 2);
    if (still.hidden && isEnding) {
      this.focusBefore = document.activeElement as HTMLElement | null;
      still.hidden = false;
      elementById("go-on").focus();
    } else if (!still.hidden && !isEnding) {
      still.hidden = true;
      this.focusBefore?.focus();
    }
  }

  private async showMap(onChange: (picker: PlacePicker) => void): Promise<HTMLElement> {
    this.onPlace = onChange;
    if (!this.mapBox) {
      const box = element("div", { class: "map-box" }, element("div", { id: "map" }));
      this.mapBox = box;
      // the map is made in the page, which gives it a size
      elementById("screen").replaceChildren(box);
      const visitor = this.visitor;
      const picker = new PlacePicker((changed) => this.onPlace(changed));
      await openPlaceMap(picker);
      if (visitor !== this.visitor) {
        picker.remove();
        return box;
      }
      this.picker = picker;
      this.addPlaceOfTerminal(box, picker);
    }
    onChange(this.picker!);
    return this.mapBox;
  }

  /** A button for the place of the terminal, if its address names that. */
  private addPlaceOfTerminal(box: HTMLElement, picker: PlacePicker): void {
    const { place } = readSelection(location.search);
    if (!place) return;
    picker.map!.jumpTo({ center: place, zoom: 16 });
    box.append(button(text("kiosk.place_here"), () => picker.setPlace(place, true)));
  }

  private createReport(): ReportSteps {
    const visitor = this.visitor;
    return new ReportSteps(this.kinds, {
      show: this.show,
      home: this.home,
      showMap: (onChange) => this.showMap(onChange),
      picker: () => this.picker,
      showReceipt: (filed) => this.showReceipt(filed),
      isCurrent: () => visitor === this.visitor,
    });
  }

  private showReceipt(filed: Filed): void {
    this.picker?.clear();
    const another = () => this.createReport().start();
    const followUp = (ticket: Ticket) => void this.openCase(ticket);
    this.show(receipt(filed, { followUp, another, isTouchOnly: true }));
  }

  private async findGrid(): Promise<void> {
    const visitor = this.visitor;
    const panel = element("aside", { id: "panel", hidden: "", "aria-live": "polite" });
    const map = await this.showMap((picker) => picker.grid && void this.showCard(picker.grid));
    if (visitor !== this.visitor) return;
    const { root } = stepButtons(this.home, null);
    const title = text("kiosk.grid");
    this.show(screen({ title, help: text("kiosk.grid_help") }, map, panel, root));
    this.picker!.map!.resize();
  }

  private async showCard(grid: Grid): Promise<void> {
    if (!document.getElementById("panel")) return;
    const map = this.picker!.map!;
    const [{ properties }, link] = await Promise.all([
      fetchGrid(grid.code),
      fetchShareLink(grid.code, ""),
      waitForStyle(map),
    ]);
    if (this.picker?.grid !== grid || !document.getElementById("panel")) return;
    selectGrid(map, grid.code);
    const fill = palette(map.getStyle())[grid.colour] ?? "";
    const print = () => window.print();
    showGrid({ ...grid, ...properties }, fill, { close: this.home, share: print, print });
    const panel = elementById("panel");
    panel.querySelector(".print-button")!.textContent = text("kiosk.print_card");
    if (link.qr) {
      const src = `data:image/svg+xml,${encodeURIComponent(link.qr)}`;
      panel.append(element("img", { src, alt: text("page.qr_code"), class: "qr" }));
    }
  }

  private enterNumber(given: string): void {
    let number = given;
    this.enter("kiosk.number", DIGITS, given, this.home, (value) => {
      number = value;
      if (number.length < NUMBER_LENGTH) return text("kiosk.wrong_number");
      this.enterSecret(number);
      return "";
    });
  }

  private enterSecret(number: string): void {
    const back = () => this.enterNumber(number);
    this.enter("kiosk.secret", SECRET_LETTERS, "", back, (secret) => {
      if (secret.length < NUMBER_LENGTH) return text("kiosk.wrong_secret");
      void this.openCase({ number, secret });
      return "";
    });
  }

  /** Ask for a code; `take` returns what is wrong with it. */
  private enter(
    title: string,
    characters: string,
    given: string,
    back: () => void,
    take: (value: string) => string,
  ): void {
    let value = given;
    const trouble = element("div", { class: "trouble", role: "alert" });
    const keys = keypad({
      label: text(title),
      characters,
      maxLength: NUMBER_LENGTH,
      value,
      onChange: (changed) => {
        value = changed;
        trouble.textContent = "";
      },
    });
    const next = () => {
      trouble.textContent = take(value);
    };
    const { root } = stepButtons(back, next);
    const help = text("online.follow_help");
    this.show(screen({ title: text(title), help }, keys, trouble, root));
  }

  private async openCase(ticket: Ticket): Promise<void> {
    const shown = shownScreen();
    try {
      await openCase(shown, ticket, { show: this.show, leave: this.home, isTouchOnly: true });
    } catch (error) {
      if (shown.isConnected) notify((error as Error).message);
    }
  }

  private showGuide(): void {
    const groups = groupKinds(sortForGuide(this.kinds)).map(
      ([name, members]): [string, () => void] => [name, () => this.showGuideGroup(name, members)],
    );
    const { root } = stepButtons(this.home, null);
    this.show(screen({ title: text("online.guide") }, tiles(groups), root));
  }

  private showGuideGroup(title: string, members: Kind[]): void {
    const entries = members.map((kind): [string, () => void] => [
      kind.name,
      () => this.showGuideEntry(kind, () => this.showGuideGroup(title, members)),
    ]);
    const { root } = stepButtons(() => this.showGuide(), null);
    this.show(screen({ title }, tiles(entries), root));
  }

  private showGuideEntry(kind: Kind, back: () => void): void {
    const report = () => this.createReport().startWith(kind);
    const { root } = stepButtons(back, report, text("online.guide_report"));
    root.append(button(text("page.print"), () => window.print()));
    this.show(screen({ title: kind.name }, guideEntry(kind), root));
  }

  private async showPrivacy(): Promise<void> {
    const shown = shownScreen();
    const language = languageTag().slice(0, 2);
    const response = await fetch(`/legal?lang=${language}`).catch(() => null);
    const words = (await response?.text()) ?? "";
    if (!shown.isConnected) return;
    if (!response?.ok) return notify(text("page.unreachable"));
    const page = new DOMParser().parseFromString(words, "text/html");
    const content = element("div", { class: "legal" });
    content.append(...page.querySelector("main")!.childNodes);
    const { root } = stepButtons(this.home, null);
    this.show(screen({ title: text("kiosk.privacy") }, content, root));
  }
}

/** The screen that is shown; answers that were asked for there are dropped when it is left. */
const shownScreen = (): HTMLElement => elementById("screen").firstElementChild as HTMLElement;

/** The frame around the screens. */
function buildFrame(restart: () => void): void {
  const still = element(
    "div",
    {
      id: "still",
      role: "alertdialog",
      "aria-labelledby": "still-title",
      "aria-describedby": "still-help",
      hidden: "",
    },
    element("h2", { id: "still-title" }),
    element("p", { id: "still-help" }),
    button("", () => undefined, { id: "go-on", class: "primary" }),
  );
  document.body.prepend(
    element(
      "header",
      {},
      element("h1", { id: "title" }),
      element("span", { id: "countdown", role: "timer" }),
      button("", restart, { id: "restart" }),
    ),
    element("main", { id: "screen" }),
    still,
  );
}

async function start(): Promise<void> {
  // the language of an earlier visitor is forgotten as well
  wipeStorage();
  buildFrame(() => void kiosk.reset());
  const { idle_s } = await bodyOf(api.GET("/kiosk/settings"));
  const kiosk = new Kiosk(idle_s);
  await kiosk.reset();
}

start().catch((error: Error) => notify(text("page.failed", { reason: error.message })));
