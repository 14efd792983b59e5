// Editing a plan: the list of grids with figures that follow every gesture, tools, undo and redo,
// what is wrong, and what other people do meanwhile.

import { isMotionReduced } from "../bounds";
import { button, element, elementById, icon, notify } from "../dom";
import { ask, isOffline } from "../http";
import { type Language, text } from "../locale";
import { session } from "../session";
import { Draft, type Move, type Told } from "./draft";
import { chosenGrid, gridList } from "./grid-list";
import { ICONS, type IconName } from "./icons";
import { hide, hint, isShown, showPreview, tell, waitsForYes } from "./move-preview";
import type { GridProperties, Plan } from "./plan-api";
import * as api from "./plan-api";
import { extentOf, View } from "./plan-map";
import { printDialog } from "./print-dialog";
import { publishDialog } from "./publish-dialog";
import { go } from "./route";
import { scoreTable } from "./score-table";
import { type Tool, Tools } from "./selection-tools";
import { press, showBar } from "./toolbar";

const KEYS: Record<string, Tool> = {
  v: "click",
  b: "brush",
  l: "lasso",
  r: "rectangle",
  c: "compound",
  e: "eraser",
};

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

  static async open(id: number, lang: Language, onlyShown: boolean): Promise<Editor> {
    const told: { to?: Editor } = {};
    const draft = await Draft.open(id, (what) => told.to?.told(what), onlyShown);
    const view = await View.open(lang, extentOf(draft));
    view.load(draft);
    const editor = new Editor(draft, view);
    told.to = editor;
    editor.start();
    return editor;
  }

  get plan(): Plan {
    return this.draft.plan;
  }

  /** Let go of everything that listens. */
  close(): void {
    this.stopped.abort();
    this.view.close();
  }

  private start(): void {
    const { signal } = this.stopped;
    document.addEventListener("keydown", (event) => this.key(event), { signal });
    window.addEventListener("online", () => void this.draft.flush(), { signal });
    window.addEventListener("beforeunload", (event) => this.draft.busy && event.preventDefault(), {
      signal,
    });
    const watch = window.setInterval(() => void this.peers(), PEERS_MS);
    signal.addEventListener("abort", () => window.clearInterval(watch));
    showBar({
      draft: this.draft,
      tools: this.tools,
      view: this.view,
      use: (tool) => this.use(tool),
      shaded: () => this.view.show(this.draft, this.active),
    });
    this.use("click");
    this.show();
    Object.assign(window, { gridatlas: { map: this.view.map, editor: this } });
  }

  // -- what is shown

  private show(): void {
    this.view.show(this.draft, this.active);
    const { plan } = this.draft;
    elementById("side").replaceChildren(
      this.heading(plan),
      ...(this.draft.editable ? [this.actions()] : [this.readOnly(plan)]),
      this.problemLine(),
      this.gridList(),
      this.draft.editable && this.active ? chosenGrid(this.draft, this.active) : "",
      this.scores(plan),
    );
    this.state();
  }

  private state(): void {
    const key = this.draft.busy ? "saving" : this.draft.editable ? "saved" : "read_only";
    elementById("state").textContent = text(`plan.${key}`, { revision: this.draft.plan.revision });
    elementById("state").className = key;
  }

  private heading(plan: Plan): HTMLElement {
    const { target, lower, upper } = plan.limits;
    return element(
      "div",
      { class: "heading" },
      element(
        "h1",
        {},
        plan.community,
        element("small", {}, ` ${text("plan.version", { version: plan.version })}`),
      ),
      element("p", {}, text("plan.limits_said", { target, lower, upper })),
    );
  }

  private readOnly(plan: Plan): HTMLElement {
    const draft = plan.status === "draft";
    const way = draft
      ? button(text("plan.edit"), () => go(`/plan/p/${plan.id}`), {})
      : button(text("plan.copy"), () => void this.copied(), { class: "primary" });
    return element(
      "div",
      { class: "actions" },
      element("span", { class: `badge ${plan.status}` }, text(`plan.status_${plan.status}`)),
      way,
      this.compareLink(),
      this.printLink(),
      this.shareLink(),
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
      const made = button(icon(ICONS[name]), run, {
        class: "tool",
        title: text(`plan.${name}_help`),
      });
      made.setAttribute("aria-label", text(`plan.${name}`));
      made.dataset.act = name;
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
      act(
        locked ? "unlock" : "lock",
        () => this.draft.send({ kind: "lock", grids: "all", locked: !locked }),
        false,
      ),
      element("span", { class: "gap" }),
      button(text("plan.complete"), () => void this.completed(), {
        title: text("plan.complete_help"),
      }),
      this.compareLink(),
      this.printLink(),
      this.shareLink(),
      button(text("plan.publish"), () => void publishDialog(this.draft), { class: "primary" }),
    );
  }

  private printLink(): HTMLElement {
    return button(text("plan.print"), () => printDialog(this.draft.plan), {
      title: text("plan.print_help"),
    });
  }

  private shareLink(): HTMLElement {
    const address = `${location.origin}/plan/p/${this.draft.plan.id}?view${location.hash}`;
    const share = () =>
      navigator.clipboard.writeText(address).then(
        () => notify(text("plan.shared"), undefined, "calm"),
        () => notify(address, undefined, "calm"),
      );
    return button(text("plan.share"), () => void share(), { title: text("plan.share_help") });
  }

  private compareLink(): HTMLElement {
    return button(text("plan.compare"), () => void this.compare(), {
      title: text("plan.compare_help"),
    });
  }

  private async compare(): Promise<void> {
    const { id, community_code } = this.draft.plan;
    const all = await api.plans(community_code);
    const other =
      all.find((plan) => plan.status === "published" && plan.id !== id) ??
      all.find((plan) => plan.id !== id);
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
    const list = this.draft.problems.map((one) =>
      element(
        "li",
        {},
        button(one.detail, () => this.choose(one.grid, true), { class: "quiet" }),
      ),
    );
    return element(
      "div",
      { class: "trouble" },
      element(
        "details",
        {},
        element("summary", {}, text("plan.problems", { count: found.length })),
        element("ul", {}, ...list),
      ),
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
    return gridList({
      draft: this.draft,
      fills: this.view.fills,
      active: this.active,
      pending: this.pending,
      merging: this.merging,
      choose: (code) => this.choose(code),
      merged: () => this.show(),
    });
  }

  private scores(plan: Plan): HTMLElement {
    return element(
      "details",
      { class: "scores" },
      element("summary", {}, text("plan.score_card")),
      scoreTable([{ ...plan, score: this.draft.score() }]),
    );
  }

  use(tool: Tool): void {
    this.tools.use(tool);
    this.drop();
    press(tool);
    if (tool === "dedicated") hint(text("plan.draw_shape"));
  }

  // -- gestures

  private over(atoms: number[] | null): void {
    this.view.hover(atoms?.[0] ?? null);
    if (waitsForYes() || this.tools.tool === "dedicated") return;
    if (atoms === null) this.drop();
    else if (this.draft.editable && this.active !== null) this.offer(atoms);
    else tell(this.draft, atoms);
  }

  /** What the tool at hand would do with cells; nothing where no grid is chosen. */
  private moveOf(atoms: Iterable<number>): Move | null {
    if (this.tools.tool === "eraser") return this.draft.previewHome(atoms);
    if (this.tools.tool === "dedicated") return this.draft.preview(atoms, null, true);
    return this.active === null ? null : this.draft.preview(atoms, this.active);
  }

  /** Show what a move would do. */
  private offer(atoms: Iterable<number>): void {
    const move = this.moveOf(atoms);
    if (move === null) return this.view.mark(atoms, false);
    this.ponder(move);
    this.preview(move, false);
  }

  private ponder(move: Move): boolean {
    const bad = move.changes.some((change) => change.breaks);
    this.pending = move;
    this.view.mark(move.atoms, bad);
    this.figures();
    return bad;
  }

  private chosen(atoms: Set<number>, alternative: boolean): void {
    const first = [...atoms][0];
    if (first === undefined) return this.drop();
    const move = this.draft.editable && !alternative ? this.moveOf(atoms) : null;
    if (move === null) {
      this.drop();
      return this.choose(this.draft.cell(first).grid);
    }
    if (move.atoms.length === 0) return this.drop();
    if (this.ponder(move) || this.tools.tool === "dedicated") this.preview(move, true);
    else this.make();
  }

  /** Make the pending move. */
  make(): void {
    const move = this.pending;
    if (!move) return;
    const dedicated = this.tools.tool === "dedicated";
    this.drop();
    if (move.changes.some((change) => change.breaks === "locked")) return;
    this.draft.move(move, dedicated);
    if (dedicated) this.use("click");
  }

  drop(): void {
    if (this.pending === null && !isShown()) return;
    this.pending = null;
    this.view.mark([], false);
    hide();
    this.figures();
  }

  /** Bring the list's figures to the pending move. */
  private figures(): void {
    const list = elementById("side").querySelector(".grids");
    list?.replaceWith(this.gridList());
  }

  private preview(move: Move, asks: boolean): void {
    showPreview(
      this.draft,
      move,
      asks ? { make: () => this.make(), leave: () => this.drop() } : null,
    );
  }

  // -- grids

  choose(code: string | null, zoom = false): void {
    this.active = code;
    this.show();
    if (code && zoom) {
      const duration = isMotionReduced() ? 0 : 500;
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
    if (
      (event.target as HTMLElement).matches("input, select, textarea") ||
      document.querySelector("dialog[open]")
    )
      return;
    const control = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (control && key === "z") void this.draft.step(event.shiftKey ? "redo" : "undo");
    else if (control && key === "y") void this.draft.step("redo");
    else if (control || event.altKey) return;
    else if (key === "escape") this.escape();
    else if (key === "n") this.nextProblem();
    else if (this.draft.editable && KEYS[key]) this.use(KEYS[key]);
    else if (/^[1-9]$/.test(key))
      this.choose([...this.draft.grids.keys()].sort()[Number(key) - 1] ?? null);
    else return;
    event.preventDefault();
  }

  private escape(): void {
    if (this.tools.tool === "dedicated") this.use("click");
    else if (this.pending) this.drop();
    else this.choose(null);
  }

  // -- the server and other people

  private told(told: Told): void {
    if (this.active && !this.draft.grids.has(this.active)) this.active = null;
    this.merging = new Set([...this.merging].filter((code) => this.draft.grids.has(code)));
    this.show();
    if (told.what === "waiting") {
      notify(text("plan.offline", { reason: told.reason }), {
        label: text("plan.send_again"),
        then: () => void this.draft.flush(),
      });
    } else if (told.what === "refused") notify(told.reason);
    else if (told.what === "conflict") {
      const who = told.by || text("plan.somebody");
      notify(text("plan.conflict", { who }), {
        label: text("plan.try_again"),
        then: () => this.draft.send(told.edit),
      });
    }
  }

  private async peers(): Promise<void> {
    if (this.draft.busy || document.hidden) return;
    try {
      const { revision } = await api.plan(this.draft.plan.id);
      if (this.draft.busy || revision === this.draft.plan.revision) return;
      const last = await ask<{ items: { author: string; kind: string }[] }>(
        `/plans/${this.draft.plan.id}/edits?limit=1`,
      );
      await this.draft.reload();
      const who = last.items[0]?.author ?? "";
      if (who && who !== session()?.name) notify(text("plan.peer", { who }), undefined, "calm");
    } catch (error) {
      if (!isOffline(error)) throw error;
    }
  }
}
