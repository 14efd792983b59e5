// A what-if: communities and a new border are chosen, and a job compares the grids before and after.

import type { Position } from "geojson";

import { button, div, element, elementById, heading, notify } from "../dom";
import { ProblemError } from "../http";
import { type Language, text } from "../locale";
import { session } from "../session";
import {
  type Change,
  type ChangeKind,
  chooseCommunity,
  hasCommunities,
  isComplete,
  newChange,
  setKind,
} from "./change";
import { limitFields, radioLabels, radios, requestOf } from "./change-fields";
import { loadCommunities } from "./community-list";
import type { ListedCommunity } from "./community-states";
import { communitiesExtent } from "./home-map";
import { waitForJob } from "./job-progress";
import { fetchJob, fetchStreets, type Job, requestWhatIf, type Street } from "./plan-api";
import { goTo } from "./route";
import { ChangeMap } from "./what-if-map";

const KINDS: ChangeKind[] = ["merge", "divide", "move"];
const MAX_LISTED = 8;

/** Show the form and its map; `codes` are chosen already, `job` is followed. */
export async function showWhatIf(
  codes: string[],
  job: number | null,
  lang: Language,
  signal: AbortSignal,
): Promise<{ close(): void }> {
  const communities = await loadCommunities(session()?.scope ?? "");
  signal.throwIfAborted();
  const known = codes.filter((code) => communities.some((community) => community.code === code));
  const form = new ChangeForm(communities, known);
  elementById("side").replaceChildren(form.element);
  form.update();
  try {
    const chosen = communities.filter(({ code }) => known.includes(code));
    const extent = communitiesExtent(chosen.length > 0 ? chosen : communities);
    form.setMap(await ChangeMap.open(lang, extent, communities, signal));
  } catch (error) {
    signal.throwIfAborted();
    notify((error as Error).message); // the form works without the map
  }
  if (job !== null)
    fetchJob(job)
      .then((started) => form.follow(started))
      .catch((error: Error) => notify(error.message));
  return { close: () => form.close() };
}

class ChangeForm {
  readonly element: HTMLElement;
  private readonly change: Change;
  private map: ChangeMap | null = null;
  /** The streets that may become the border; null until they are known. */
  private streets: Street[] | null = null;
  private streetsOf = "";
  private readonly chosenList = element("ul", { class: "found" });
  private readonly foundList = element("ul", { class: "found" });
  private readonly help = element("p", { class: "none" });
  private readonly search = element("input", {
    type: "search",
    placeholder: text("plan.search"),
    "aria-label": text("what_if.add"),
  });
  private readonly border = element("fieldset", { class: "border" });
  private readonly street = element("select", { "aria-label": text("what_if.street") });
  private readonly lineBar = element("div", { class: "ways" });
  private readonly progress = element("div", { class: "progress", role: "status", hidden: "" });
  private readonly message = element("p", { class: "trouble", role: "alert", hidden: "" });
  private readonly go = element(
    "button",
    { type: "submit", class: "primary" },
    text("plan.compare"),
  );

  constructor(
    private readonly communities: ListedCommunity[],
    codes: string[],
  ) {
    this.change = newChange(codes);
    this.search.addEventListener("input", () => this.showFound());
    this.street.addEventListener("change", () => this.setStreet(this.street.value));
    this.border.append(
      element("legend", {}, text("what_if.new_border")),
      ...this.borderChoice(),
      this.street,
      this.lineBar,
    );
    const form = element(
      "form",
      { class: "what-if" },
      this.kindChoice(),
      this.communityChoice(),
      this.border,
      limitFields(),
      this.message,
      this.progress,
      div("actions", this.go),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.submit(new FormData(form));
    });
    this.element = element("div", {}, heading(text("what_if.title"), text("what_if.help")), form);
  }

  setMap(map: ChangeMap): void {
    this.map = map;
    map.onCommunity = (code) => this.toggle(code);
    map.onStreet = (code) => this.setStreet(code);
    map.onPoint = (position) => this.setLine([...this.change.line, position]);
    this.showMap(); // and leave the form, which may have the focus
  }

  close(): void {
    this.map?.close();
  }

  /** Show all choices as they are now. */
  update(): void {
    const { kind, communities, border } = this.change;
    this.help.textContent = text(`what_if.choose_${kind}`);
    this.chosenList.replaceChildren(...communities.map((code) => this.chosenItem(code)));
    this.showFound();
    this.border.hidden = kind === "merge";
    this.street.hidden = border !== "street";
    this.lineBar.hidden = border !== "line";
    this.showStreets();
    this.showLine();
    this.showMap();
    this.go.disabled = !this.progress.hidden || !isComplete(this.change);
    void this.loadStreets();
  }

  private showMap(): void {
    const { kind, communities, border, street, line } = this.change;
    const shown = kind === "merge" ? null : border;
    this.map?.showChosen(communities);
    this.map?.showStreets(shown === "street" ? (this.streets ?? []) : [], street);
    this.map?.showLine(shown === "line" ? line : [], shown === "line");
  }

  /** Show the progress of a job until it ends, then its result. */
  async follow(job: Job): Promise<void> {
    this.progress.hidden = false;
    this.go.disabled = true;
    try {
      const ended = await waitForJob(job, this.progress, text("what_if.comparing"));
      if (!this.progress.isConnected) return;
      if (ended.status === "done") return goTo(`/plan/what-if/${ended.id}`);
      const isFailed = ended.status === "failed";
      this.showMessage(isFailed ? (ended.problem?.detail ?? "") : text("plan.cancelled"));
    } catch (error) {
      this.showMessage((error as Error).message);
    }
    this.progress.hidden = true;
    this.update();
  }

  private async submit(fields: FormData): Promise<void> {
    this.showMessage("");
    try {
      const job = await requestWhatIf(requestOf(this.change, fields));
      history.replaceState(null, "", `/plan/what-if?job=${job.id}`);
      await this.follow(job);
    } catch (error) {
      this.showMessage((error as Error).message);
      const open = error instanceof ProblemError ? error.document.job : undefined;
      if (typeof open === "number") await this.follow(await fetchJob(open));
    }
  }

  private showMessage(words: string): void {
    this.message.textContent = words;
    this.message.hidden = words === "";
  }

  private kindChoice(): HTMLElement {
    return radios("kind", text("what_if.kind"), KINDS, this.change.kind, (kind) => {
      setKind(this.change, kind);
      this.update();
    });
  }

  private borderChoice(): HTMLElement[] {
    const ways = ["street", "line"] as const;
    return radioLabels("border", ways, this.change.border, (way) => {
      this.change.border = way;
      this.update();
    });
  }

  private communityChoice(): HTMLElement {
    return element(
      "fieldset",
      {},
      element("legend", {}, text("page.communities")),
      this.help,
      this.chosenList,
      this.search,
      this.foundList,
    );
  }

  private chosenItem(code: string): HTMLElement {
    const name = this.nameOf(code);
    const take = () => {
      this.toggle(code);
      this.search.focus();
    };
    const remove = button(text("plan.discard"), take, {
      class: "quiet",
      "aria-label": text("what_if.remove", { name }),
    });
    return element("li", {}, element("b", {}, name), ` ${code} `, remove);
  }

  private showFound(): void {
    const words = this.search.value.trim();
    const rows = this.communities.filter(
      ({ code, name }) =>
        words !== "" &&
        !this.change.communities.includes(code) &&
        (name.includes(words) || code.includes(words)),
    );
    this.foundList.replaceChildren(
      ...rows.slice(0, MAX_LISTED).map(({ code, name }) => {
        const add = () => {
          this.search.value = "";
          this.toggle(code);
          this.search.focus();
        };
        return element("li", {}, button(`${name} ${code}`, add, { class: "quiet" }));
      }),
    );
  }

  private toggle(code: string): void {
    chooseCommunity(this.change, code);
    this.showMessage("");
    this.update();
  }

  private nameOf(code: string): string {
    return this.communities.find((community) => community.code === code)?.name ?? code;
  }

  private async loadStreets(): Promise<void> {
    const { kind, communities } = this.change;
    const key = kind !== "merge" && hasCommunities(this.change) ? communities.join() : "";
    if (key === this.streetsOf) return;
    this.streetsOf = key;
    this.streets = null;
    try {
      const streets = key ? await fetchStreets(communities) : null;
      if (key !== this.streetsOf) return; // others were chosen meanwhile
      this.streets = streets;
      const isThere = streets?.some(({ properties }) => properties.code === this.change.street);
      this.setStreet(isThere ? this.change.street : "");
    } catch (error) {
      if (key !== this.streetsOf) return;
      this.streetsOf = ""; // to be asked for again
      this.showMessage((error as Error).message);
    }
  }

  private showStreets(): void {
    const isEmpty = this.streets?.length === 0;
    const options = (this.streets ?? []).map(({ properties: { code, name, kind } }) => {
      const words = `${name || code} · ${text(`what_if.street_${kind}`)}`;
      const option = element("option", { value: code }, words);
      option.selected = code === this.change.street;
      return option;
    });
    this.street.replaceChildren(
      element("option", { value: "" }, text(`what_if.${isEmpty ? "streets_none" : "street_none"}`)),
      ...options,
    );
  }

  private setStreet(code: string): void {
    this.change.street = code;
    this.update();
  }

  private showLine(): void {
    const { line } = this.change;
    const undo = button(text("plan.undo"), () => this.setLine(line.slice(0, -1)));
    const clear = button(text("what_if.line_clear"), () => this.setLine([]));
    for (const tool of [undo, clear]) tool.disabled = line.length === 0;
    const add = () => this.map && this.setLine([...line, this.map.centre()]);
    const hadFocus = this.lineBar.contains(document.activeElement);
    this.lineBar.replaceChildren(
      element("p", { class: "none" }, text("what_if.line_help")),
      button(text("what_if.line_add"), add, { "data-line": "add" }),
      undo,
      clear,
      element("span", { role: "status" }, text("what_if.line_points", { count: line.length })),
    );
    if (hadFocus) this.lineBar.querySelector<HTMLElement>("[data-line]")?.focus();
  }

  private setLine(line: Position[]): void {
    this.change.line = line;
    this.update();
  }
}
