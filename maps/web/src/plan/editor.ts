// Editing a plan: the list of grids with figures that follow every gesture, tools, undo and redo,
// what is wrong, and what other people do meanwhile.

import { button, byId, element, icon, notify } from "../dom";
import { ask, isOffline, openPdf } from "../http";
import { number, text, type Language } from "../locale";
import { reducedMotion } from "../map";
import { session } from "../session";
import * as api from "./api";
import type { GridProperties, Plan } from "./api";
import { scoreTable } from "./card";
import { Draft, type Move, type Told } from "./draft";
import { ICONS, type IconName } from "./icons";
import { publishDialog } from "./publish";
import { go } from "./route";
import { Tools, TOOLS, type Tool } from "./tools";
import { extentOf, View, type Shade } from "./view";

/** How often other people's revisions are asked for, in milliseconds. */
const PEERS_MS = 4000;

export class Editor {
  active: string | null = null;
  private pending: Move | null = null;
  private readonly tools: Tools;
  private merging = new Set<string>();
  private atProblem = -1;
  private readonly stopped = new AbortController();

  private constructor(
    readonly draft: Draft,
    readonly view: View,
  ) {
    this.tools = new Tools(view, () => this.draft, {
      over: (atoms) => this.over(atoms),
      choosing: (atoms) => this.offer(atoms),
      chosen: (atoms, { alternative }) => this.chosen(atoms, alternative),
    });
  }

  static async open(id: number, lang: Language): Promise<Editor> {
    const told: { to?: Editor } = {};
    const draft = await Draft.open(id, (what) => told.to?.told(what));
    const view = await View.open(lang, extentOf(draft));
    view.load(draft);
    const editor = new Editor(draft, view);
    told.to = editor;
    editor.start();
    return editor;
  }

  /** Let go of everything that listens. */
  close(): void {
    this.stopped.abort();
    this.view.map.remove();
  }

  private start(): void {
    const { signal } = this.stopped;
    document.addEventListener("keydown", (event) => this.key(event), { signal });
    window.addEventListener("online", () => void this.draft.flush(), { signal });
    window.addEventListener("beforeunload", (event) => this.draft.busy && event.preventDefault(), { signal });
    const watch = window.setInterval(() => void this.peers(), PEERS_MS);
    signal.addEventListener("abort", () => window.clearInterval(watch));
    this.showTools();
    this.tools.use("click");
    this.show();
    Object.assign(window, { gridatlas: { map: this.view.map, editor: this } });
  }

  // -- what is shown

  private show(): void {
    this.view.show(this.draft, this.active);
    const { plan } = this.draft;
    byId("side").replaceChildren(
      this.heading(plan),
      ...(this.draft.editable ? [this.actions()] : [this.readOnly(plan)]),
      this.problemLine(),
      this.gridList(),
      this.scores(plan),
    );
    this.state();
  }

  private state(): void {
    const key = this.draft.busy ? "saving" : this.draft.editable ? "saved" : "read_only";
    byId("state").textContent = text(`plan.${key}`, { revision: this.draft.plan.revision });
    byId("state").className = key;
  }

  private heading(plan: Plan): HTMLElement {
    const { target, lower, upper } = plan.limits;
    return element(
      "div",
      { class: "heading" },
      element("h1", {}, plan.community, element("small", {}, ` ${text("plan.version", { version: plan.version })}`)),
      element("p", {}, text("plan.limits_said", { target, lower, upper })),
    );
  }

  private readOnly(plan: Plan): HTMLElement {
    return element(
      "div",
      { class: "actions" },
      element("span", { class: `badge ${plan.status}` }, text(`plan.status_${plan.status}`)),
      button(text("plan.copy"), () => void this.copied(), { class: "primary" }),
      this.printLink(),
      this.compareLink(),
    );
  }

  private async copied(): Promise<void> {
    try {
      const made = await api.copy(this.draft.plan.id);
      go(`/plan/p/${made.id}`);
    } catch (error) {
      notify((error as Error).message);
    }
  }

  private actions(): HTMLElement {
    const { plan } = this.draft;
    const act = (name: IconName, run: () => void, off: boolean) => {
      const made = button(icon(ICONS[name]), run, { class: "tool", title: text(`plan.${name}_help`) });
      made.setAttribute("aria-label", text(`plan.${name}`));
      made.dataset["act"] = name;
      made.disabled = off;
      return made;
    };
    const locked = [...this.draft.grids.values()].every((grid) => grid.locked);
    return element(
      "div",
      { class: "actions" },
      act("undo", () => void this.draft.step("undo"), plan.undo === 0),
      act("redo", () => void this.draft.step("redo"), plan.redo === 0),
      act("split", () => this.split(), this.active === null),
      act("merge", () => this.merge(), this.merging.size < 2),
      act(locked ? "unlock" : "lock", () => this.draft.send({ kind: "lock", grids: "all", locked: !locked }), false),
      element("span", { class: "gap" }),
      button(text("plan.complete"), () => void this.completed(), { title: text("plan.complete_help") }),
      this.compareLink(),
      this.printLink(),
      button(text("plan.publish"), () => void publishDialog(this.draft), { class: "primary" }),
    );
  }

  private printLink(): HTMLElement {
    const href = `/plans/${this.draft.plan.id}/sheet.pdf?lang=${document.documentElement.lang.slice(0, 2)}`;
    return button(text("plan.print"), () => void openPdf(href), { title: text("plan.print_help") });
  }

  private compareLink(): HTMLElement {
    return button(text("plan.compare"), () => void this.compare(), { title: text("plan.compare_help") });
  }

  private async compare(): Promise<void> {
    const { id, community_code } = this.draft.plan;
    const all = await api.plans(community_code);
    const other = all.find((plan) => plan.status === "published" && plan.id !== id) ?? all.find((plan) => plan.id !== id);
    if (other) go(`/plan/p/${id}/compare/${other.id}`);
    else notify(text("plan.nothing_to_compare"));
  }

  private async completed(): Promise<void> {
    try {
      const job = await api.complete(this.draft.plan.id);
      go(`/plan/c/${this.draft.plan.community_code}?job=${job.id}`);
    } catch (error) {
      notify((error as Error).message);
    }
  }

  private problemLine(): HTMLElement {
    const found = this.troubled();
    if (found.length === 0) return element("p", { class: "well" }, text("plan.no_problems"));
    const step = button(icon(ICONS.next), () => this.nextProblem(), { class: "tool" });
    step.setAttribute("aria-label", text("plan.next"));
    step.title = text("plan.next_help");
    const list = this.draft.problems.map((one) => element("li", {}, one.detail));
    return element(
      "div",
      { class: "trouble" },
      element("details", {}, element("summary", {}, text("plan.problems", { count: found.length })), element("ul", {}, ...list)),
      step,
    );
  }

  private troubled(): GridProperties[] {
    return [...this.draft.grids.values()].filter((grid) => !grid.within || !grid.contiguous);
  }

  private nextProblem(): void {
    const found = this.troubled();
    if (found.length === 0) return;
    this.atProblem = (this.atProblem + 1) % found.length;
    this.choose(found[this.atProblem]!.code, true);
  }

  private gridList(): HTMLElement {
    const rows = [...this.draft.grids.values()]
      .sort((one, other) => one.code.localeCompare(other.code))
      .map((grid) => this.gridRow(grid));
    return element("ul", { class: "grids" }, ...rows);
  }

  private gridRow(grid: GridProperties): HTMLElement {
    const change = this.pending?.changes.find((one) => one.grid === grid.code);
    const swatch = element("i", { class: "swatch" });
    swatch.style.background = this.view.fills[grid.colour] ?? "";
    const figure = element("b", {}, number(change?.after ?? grid.households));
    const delta = change ? change.after - change.before : 0;
    const row = button(
      element(
        "span",
        { class: "row" },
        swatch,
        element("span", { class: "name" }, grid.name || text("page.grid_number", { serial: grid.serial }), grid.kind === "dedicated" ? element("small", {}, ` ${text("page.kind_dedicated")}`) : null),
        delta ? element("em", { class: delta > 0 ? "up" : "down" }, `${delta > 0 ? "+" : "−"}${number(Math.abs(delta))}`) : null,
        figure,
        this.bar(grid, change?.after ?? grid.households),
      ),
      () => this.choose(grid.code === this.active ? null : grid.code),
      { class: "pick", "aria-pressed": String(grid.code === this.active), "data-code": grid.code },
    );
    const item = element("li", { class: classes(grid, change?.breaks ?? null) }, row, ...(this.draft.editable ? this.rowTools(grid) : []));
    return item;
  }

  /** Households between nothing and half as much again as the upper limit, with both limits. */
  private bar(grid: GridProperties, households: number): HTMLElement {
    const { lower, upper } = this.draft.plan.limits;
    const share = (value: number) => `${Math.min(100, (value / (upper * 1.3)) * 100)}%`;
    const fill = element("span", { class: "fill" });
    fill.style.width = share(households);
    const band = element("span", { class: "band" });
    band.style.left = share(lower);
    band.style.width = `calc(${share(upper)} - ${share(lower)})`;
    return element("span", { class: `meter${grid.kind === "dedicated" ? " free" : ""}`, "aria-hidden": "true" }, band, fill);
  }

  private rowTools(grid: GridProperties): HTMLElement[] {
    const lock = button(
      icon(ICONS[grid.locked ? "lock" : "unlock"]),
      () => this.draft.send({ kind: "lock", grids: [grid.code], locked: !grid.locked }),
      { class: "tool small", "aria-pressed": String(grid.locked), title: text("plan.lock_help") },
    );
    lock.setAttribute("aria-label", `${text(grid.locked ? "plan.unlock" : "plan.lock")} ${grid.serial}`);
    const tick = element("input", { type: "checkbox", title: text("plan.merge_pick") });
    tick.setAttribute("aria-label", `${text("plan.merge_pick")} ${grid.serial}`);
    tick.checked = this.merging.has(grid.code);
    tick.addEventListener("change", () => {
      if (tick.checked) this.merging.add(grid.code);
      else this.merging.delete(grid.code);
      this.show();
    });
    return [lock, tick];
  }

  private scores(plan: Plan): HTMLElement {
    return element(
      "details",
      { class: "scores" },
      element("summary", {}, text("plan.score_card")),
      scoreTable([{ ...plan, score: this.draft.score() }]),
    );
  }

  // -- tools above the map

  private showTools(): void {
    const bar = byId("tools");
    bar.hidden = false;
    bar.setAttribute("aria-label", text("plan.tools"));
    const names: Tool[] = this.draft.editable ? [...TOOLS, "dedicated"] : ["click"];
    const buttons = names.map((name) => {
      const made = button(icon(ICONS[name]), () => this.use(name), {
        class: "tool",
        title: text(`plan.tool_${name}_help`),
        "data-tool": name,
      });
      made.setAttribute("aria-label", text(`plan.tool_${name}`));
      return made;
    });
    const size = element("input", { type: "range", min: "10", max: "90", value: String(this.tools.brush) });
    size.setAttribute("aria-label", text("plan.brush_size"));
    size.addEventListener("input", () => (this.tools.brush = Number(size.value)));
    const shade = element("select", { "aria-label": text("plan.colour_by") });
    for (const name of ["grid", "deviation", "density"] as Shade[]) {
      shade.append(element("option", { value: name }, text(`plan.shade_${name}`)));
    }
    shade.addEventListener("change", () => {
      this.view.shade = shade.value as Shade;
      this.view.show(this.draft, this.active);
    });
    bar.replaceChildren(...buttons, ...(this.draft.editable ? [size] : []), shade);
    this.use("click");
  }

  use(tool: Tool): void {
    this.tools.use(tool);
    this.drop();
    for (const one of byId("tools").querySelectorAll<HTMLElement>("[data-tool]")) {
      one.setAttribute("aria-pressed", String(one.dataset["tool"] === tool));
    }
    byId("tools").classList.toggle("brushing", tool === "brush");
  }

  // -- gestures

  private over(atoms: number[] | null): void {
    this.view.hover(atoms?.[0] ?? null);
    if (!this.draft.editable || this.active === null || this.waitsForYes()) return;
    if (atoms === null) return this.drop();
    this.offer(atoms);
  }

  private waitsForYes(): boolean {
    return byId("preview").classList.contains("asking");
  }

  /** Show what a move to the chosen grid would do. */
  private offer(atoms: Iterable<number>): void {
    const to = this.tools.tool === "dedicated" ? null : this.active;
    if (to === null && this.tools.tool !== "dedicated") return this.view.mark(atoms, false);
    const move = this.draft.preview(atoms, to);
    this.pending = move;
    this.view.mark(move.atoms, move.changes.some((change) => change.breaks));
    this.figures();
    this.preview(move, false);
  }

  private chosen(atoms: Set<number>, alternative: boolean): void {
    const first = [...atoms][0];
    if (first === undefined) return this.drop();
    const own = this.draft.cell(first).grid;
    if (!this.draft.editable || alternative || (this.active === null && this.tools.tool !== "dedicated")) {
      this.drop();
      return this.choose(own);
    }
    const to = this.tools.tool === "dedicated" ? null : this.active;
    const move = this.draft.preview(atoms, to);
    if (move.atoms.length === 0) return this.drop();
    this.pending = move;
    this.view.mark(move.atoms, move.changes.some((change) => change.breaks));
    const bad = move.changes.some((change) => change.breaks);
    if (bad || to === null) {
      this.figures();
      this.preview(move, true);
    } else this.make();
  }

  /** Make the pending move. */
  make(): void {
    const move = this.pending;
    if (!move) return;
    this.drop();
    if (move.changes.some((change) => change.breaks === "locked")) return;
    this.draft.move(move);
    if (this.tools.tool === "dedicated") this.use("click");
  }

  drop(): void {
    if (this.pending === null && byId("preview").hidden) return;
    this.pending = null;
    this.view.mark([], false);
    byId("preview").hidden = true;
    byId("preview").classList.remove("asking");
    this.figures();
  }

  /** Bring the list's figures to the pending move. */
  private figures(): void {
    const list = byId("side").querySelector(".grids");
    list?.replaceWith(this.gridList());
  }

  private preview(move: Move, asks: boolean): void {
    const box = byId("preview");
    const rows = move.changes.map((change) => {
      const grid = this.draft.grids.get(change.grid);
      const name = grid ? text("page.grid_number", { serial: grid.serial }) : text("plan.new_grid");
      const warning = change.breaks ? element("strong", {}, ` ${text(`plan.breaks_${change.breaks}`)}`) : null;
      return element("li", {}, `${name} ${number(change.before)} → ${number(change.after)}`, warning);
    });
    const locked = move.changes.some((change) => change.breaks === "locked");
    const ways = asks
      ? [
          ...(locked ? [] : [button(text("plan.do_it"), () => this.make(), { class: "primary" })]),
          button(text("plan.leave_it"), () => this.drop()),
        ]
      : [];
    box.replaceChildren(
      element("p", {}, text("plan.moving", { buildings: move.buildings, households: number(move.households) })),
      element("ul", {}, ...rows),
      ...ways,
    );
    box.classList.toggle("asking", asks);
    box.hidden = false;
    if (asks) box.querySelector<HTMLElement>("button")?.focus();
  }

  // -- grids

  choose(code: string | null, zoom = false): void {
    this.active = code;
    this.show();
    if (code && zoom) {
      const duration = reducedMotion() ? 0 : 500;
      this.view.map.fitBounds(extentOf(this.draft, code), { padding: 120, maxZoom: 18, duration });
    }
  }

  private split(): void {
    if (this.active) this.draft.send({ kind: "split", grid: this.active });
  }

  private merge(): void {
    const grids = [...this.merging].sort();
    this.merging.clear();
    this.draft.send({ kind: "merge", grids });
  }

  private key(event: KeyboardEvent): void {
    if ((event.target as HTMLElement).matches("input, select, textarea") || document.querySelector("dialog[open]")) return;
    const control = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (control && key === "z") void this.draft.step(event.shiftKey ? "redo" : "undo");
    else if (control && key === "y") void this.draft.step("redo");
    else if (control || event.altKey) return;
    else if (key === "escape") this.escape();
    else if (key === "n") this.nextProblem();
    else if ("vblrc".includes(key)) this.use(({ v: "click", b: "brush", l: "lasso", r: "rectangle", c: "compound" } as const)[key as "v"]);
    else if (/^[1-9]$/.test(key)) this.choose([...this.draft.grids.keys()].sort()[Number(key) - 1] ?? null);
    else return;
    event.preventDefault();
  }

  private escape(): void {
    if (this.pending) this.drop();
    else this.choose(null);
  }

  // -- the server and other people

  private told(told: Told): void {
    if (this.active && !this.draft.grids.has(this.active)) this.active = null;
    this.merging = new Set([...this.merging].filter((code) => this.draft.grids.has(code)));
    this.show();
    if (told.what === "waiting") {
      notify(text("plan.offline", { reason: told.reason }), { label: text("plan.send_again"), then: () => void this.draft.flush() });
    } else if (told.what === "refused") notify(told.reason);
    else if (told.what === "conflict") {
      const who = told.by || text("plan.somebody");
      notify(text("plan.conflict", { who }), { label: text("plan.try_again"), then: () => this.draft.send(told.edit) });
    }
  }

  private async peers(): Promise<void> {
    if (this.draft.busy || document.hidden) return;
    try {
      const { revision } = await api.plan(this.draft.plan.id);
      if (this.draft.busy || revision === this.draft.plan.revision) return;
      const last = await ask<{ items: { author: string; kind: string }[] }>(`/plans/${this.draft.plan.id}/edits?limit=1`);
      await this.draft.reload();
      const who = last.items[0]?.author ?? "";
      if (who && who !== session()?.name) notify(text("plan.peer", { who }), undefined, "calm");
    } catch (error) {
      if (!isOffline(error)) throw error;
    }
  }
}

function classes(grid: GridProperties, breaks: string | null): string {
  return [grid.within && grid.contiguous ? "" : "off", breaks ? "breaks" : "", grid.locked ? "locked" : ""].join(" ").trim();
}
