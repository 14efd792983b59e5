// The editor of a plan: the list of grids with figures that follow every gesture, tools, undo and
// redo, breaches, and edits by other people.

import { type Extent, isMotionReduced } from "../bounds";
import { button, element, elementById, icon, notify } from "../dom";
import { isOffline } from "../http";
import { type Language, text } from "../locale";
import { nextIndex } from "../search";
import { session } from "../session";
import { Draft, type DraftEvent, type DraftGrid, type Move } from "./draft";
import { openFileDialog } from "./file-dialog";
import { gridForm, gridList, microGridLine } from "./grid-list";
import { ICONS, type IconName } from "./icons";
import {
  hidePreview,
  isAsking,
  isPreviewShown,
  showCell,
  showHint,
  showMovePreview,
} from "./move-preview";
import { attachPan } from "./pan";
import {
  type Areas,
  copyPlan,
  fetchLastAuthor,
  fetchMicroGrids,
  fetchPlan,
  fetchPlans,
  type MicroGrid,
  type Plan,
  requestCompletion,
  requestMicroGrids,
} from "./plan-api";
import { draftExtent } from "./plan-features";
import { PlanMap } from "./plan-map";
import { openPrintDialog } from "./print-dialog";
import { openPublishDialog } from "./publish-dialog";
import { goTo } from "./route";
import { SERVER_FIGURES, scoreTable } from "./score-table";
import { SelectionTools, type Tool } from "./selection-tools";
import { limitsText } from "./sizes";
import { markActiveTool, showToolbar } from "./toolbar";

const TOOL_KEYS: Record<string, Tool> = {
  v: "click",
  b: "brush",
  l: "lasso",
  r: "rectangle",
  c: "compound",
  e: "eraser",
};

/** How often the editor checks for edits by other people, and for the score of its own. */
const POLL_INTERVAL_MS = 4000;
const SCORE_POLL_INTERVAL_MS = 1000;
const PLACE_ZOOM = 17.5;

/** Tools that move atoms into the chosen grid, and do nothing without one. */
const TOOLS_FOR_GRID: Tool[] = ["brush", "lasso", "rectangle"];

export class Editor {
  active: string | null = null;
  private pendingMove: Move | null = null;
  private readonly tools: SelectionTools;
  private merging = new Set<string>();
  private problemIndex = -1;
  private isScoreCardOpen = false;
  private microGrids: Areas<MicroGrid> | null = null;
  private readonly closing = new AbortController();

  private constructor(
    readonly draft: Draft,
    readonly view: PlanMap,
  ) {
    this.tools = new SelectionTools(view, () => this.draft, {
      onHover: (atoms) => this.handleHover(atoms),
      onSelecting: (atoms) => this.previewAtoms(atoms),
      onSelected: (atoms, isAlternative) => this.handleSelected(atoms, isAlternative),
    });
  }

  static async open(id: number, lang: Language, isReadOnly: boolean): Promise<Editor> {
    let editor: Editor | undefined;
    const draft = await Draft.open(id, (event) => editor?.handleDraftEvent(event), isReadOnly);
    const view = await PlanMap.open(lang, draftExtent(draft));
    view.load(draft);
    editor = new Editor(draft, view);
    editor.start();
    return editor;
  }

  get plan(): Plan {
    return this.draft.plan;
  }

  /** Remove all listeners and the map. */
  close(): void {
    this.closing.abort();
    this.view.close();
  }

  private start(): void {
    const { signal } = this.closing;
    document.addEventListener("keydown", (event) => this.handleKey(event), { signal });
    window.addEventListener("online", () => void this.draft.flush(), { signal });
    const keepOpen = (event: Event) => this.draft.isSaving && event.preventDefault();
    window.addEventListener("beforeunload", keepOpen, { signal });
    const polling = window.setInterval(() => void this.pollRevision(), POLL_INTERVAL_MS);
    const scoring = window.setInterval(() => void this.pollScore(), SCORE_POLL_INTERVAL_MS);
    signal.addEventListener("abort", () => {
      window.clearInterval(polling);
      window.clearInterval(scoring);
    });
    attachPan(this.view.map, signal);
    showToolbar({
      draft: this.draft,
      tools: this.tools,
      view: this.view,
      setTool: (tool) => this.setTool(tool),
      onShading: () => this.view.show(this.draft, this.active),
      showPlace: (place) => this.showPlace(place),
    });
    this.setTool("click");
    this.show();
    void fetchMicroGrids(this.plan.id).then((parts) => {
      this.microGrids = parts;
      if (!signal.aborted) this.showMicroGrids();
    });
    Object.assign(window, { gridatlas: { map: this.view.map, editor: this } });
  }

  // -- display

  private show(): void {
    this.view.show(this.draft, this.active);
    this.showMicroGrids();
    const { plan } = this.draft;
    elementById("side").replaceChildren(
      this.heading(plan),
      ...(this.draft.isEditable ? [this.actions()] : [this.readOnly(plan)]),
      this.problemLine(),
      this.gridList(),
      this.draft.isEditable && this.active ? gridForm(this.draft, this.active) : "",
      (this.active && microGridLine(this.draft.grids.get(this.active))) || "",
      this.scores(),
    );
    this.showState();
  }

  /** Show the micro-grids of the grids that have not changed since they were divided. */
  private showMicroGrids(): void {
    if (this.microGrids === null) return;
    const divided = [...this.draft.grids.values()].filter((grid) => grid.micro_grids > 0);
    this.view.showMicroGrids(this.microGrids, new Set(divided.map(({ code }) => code)));
  }

  private showState(): void {
    const { plan, isSaving, isEditable } = this.draft;
    const saved = isEditable ? "saved" : "read_only";
    const key = isSaving ? "saving" : saved;
    elementById("state").textContent = text(`plan.${key}`, { revision: plan.revision });
    elementById("state").className = key;
  }

  private heading(plan: Plan): HTMLElement {
    return element(
      "div",
      { class: "heading" },
      element(
        "h1",
        {},
        plan.community,
        element("small", {}, ` ${text("plan.version", { version: plan.version })}`),
      ),
      element("p", {}, limitsText(plan.limits)),
    );
  }

  private readOnly(plan: Plan): HTMLElement {
    const open =
      plan.status === "draft"
        ? button(text("plan.edit"), () => goTo(`/plan/p/${plan.id}`), {})
        : button(text("plan.copy"), () => void this.copyPlan(), { class: "primary" });
    return element(
      "div",
      { class: "actions" },
      element("span", { class: `badge ${plan.status}` }, text(`plan.status_${plan.status}`)),
      open,
      plan.status === "archived" ? null : this.microGridButton(),
      this.compareLink(),
      this.printLink(),
      this.fileLink(),
      this.shareLink(),
    );
  }

  private async copyPlan(): Promise<void> {
    try {
      const copy = await copyPlan(this.draft.plan.id);
      goTo(`/plan/p/${copy.id}`);
    } catch (error) {
      notify((error as Error).message);
    }
  }

  private actions(): HTMLElement {
    const { plan } = this.draft;
    const tool = (name: IconName, run: () => void, isDisabled: boolean) => {
      const item = button(icon(ICONS[name]), run, {
        class: "tool",
        title: text(`plan.${name}_help`),
        "aria-label": text(`plan.${name}`),
        "data-act": name,
      });
      item.disabled = isDisabled;
      return item;
    };
    const isLocked = [...this.draft.grids.values()].every((grid) => grid.locked);
    return element(
      "div",
      { class: "actions" },
      tool("undo", () => void this.draft.step("undo"), plan.undo === 0),
      tool("redo", () => void this.draft.step("redo"), plan.redo === 0),
      tool("split", () => this.split(), this.active === null),
      tool("merge", () => this.merge(), this.merging.size < 2),
      tool(
        isLocked ? "unlock" : "lock",
        () => this.draft.send({ kind: "lock", grids: "all", locked: !isLocked }),
        false,
      ),
      element("span", { class: "gap" }),
      button(text("plan.complete"), () => void this.completePlan(), {
        title: text("plan.complete_help"),
      }),
      this.microGridButton(),
      this.compareLink(),
      this.printLink(),
      this.fileLink(),
      this.shareLink(),
      button(text("plan.publish"), () => void openPublishDialog(this.draft), { class: "primary" }),
    );
  }

  private microGridButton(): HTMLElement {
    return button(text("plan.micro"), () => void this.divideGrids(), {
      title: text("plan.micro_help"),
      "data-act": "micro",
    });
  }

  private async divideGrids(): Promise<void> {
    try {
      await this.draft.flush();
      const job = await requestMicroGrids(this.draft.plan.id);
      goTo(`/plan/c/${this.draft.plan.community_code}?job=${job.id}`);
    } catch (error) {
      notify((error as Error).message);
    }
  }

  private printLink(): HTMLElement {
    return button(text("plan.print"), () => openPrintDialog(this.draft.plan), {
      title: text("plan.print_help"),
    });
  }

  private fileLink(): HTMLElement {
    return button(text("plan.files"), () => openFileDialog(this.draft), {
      title: text("plan.files_help"),
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
    const others = (await fetchPlans(community_code)).filter((plan) => plan.id !== id);
    const other = others.find((plan) => plan.status === "published") ?? others[0];
    if (other) goTo(`/plan/p/${id}/compare/${other.id}`);
    else notify(text("plan.nothing_to_compare"));
  }

  private async completePlan(): Promise<void> {
    try {
      const job = await requestCompletion(this.draft.plan.id);
      goTo(`/plan/c/${this.draft.plan.community_code}?job=${job.id}`);
    } catch (error) {
      notify((error as Error).message);
    }
  }

  private problemLine(): HTMLElement {
    const count = this.gridsWithProblems().length;
    if (count === 0) return element("p", { class: "well" }, text("plan.no_problems"));
    const next = button(icon(ICONS.next), () => this.showNextProblem(), {
      class: "tool",
      title: text("plan.next_help"),
      "aria-label": text("plan.next"),
    });
    const list = this.draft.breaches.map(({ detail, grid }) =>
      element(
        "li",
        {},
        button(detail, () => this.selectGrid(grid, true), { class: "quiet" }),
      ),
    );
    return element(
      "div",
      { class: "trouble" },
      element(
        "details",
        {},
        element("summary", {}, text("plan.problems", { count })),
        element("ul", {}, ...list),
      ),
      next,
    );
  }

  private gridsWithProblems(): DraftGrid[] {
    return [...this.draft.grids.values()].filter((grid) => !grid.within || !grid.contiguous);
  }

  private showNextProblem(): void {
    const grids = this.gridsWithProblems();
    if (grids.length === 0) return;
    this.problemIndex = nextIndex(this.problemIndex, 1, grids.length);
    this.selectGrid(grids[this.problemIndex]!.code, true);
  }

  private gridList(): HTMLElement {
    return gridList({
      draft: this.draft,
      fills: this.view.fills,
      active: this.active,
      pending: this.pendingMove,
      merging: this.merging,
      selectGrid: (code) => this.selectGrid(code),
      onMergeChange: () => this.show(),
    });
  }

  /** The score card; its figures are computed while it is open. */
  private scores(): HTMLElement {
    const card = element("div", { class: "holder" });
    const details = element(
      "details",
      { class: "scores" },
      element("summary", {}, text("plan.score_card")),
      card,
    );
    details.open = this.isScoreCardOpen;
    if (details.open) card.append(this.scoreCard());
    details.addEventListener("toggle", () => {
      this.isScoreCardOpen = details.open;
      this.refreshScores();
    });
    return details;
  }

  private scoreCard(): HTMLElement {
    return scoreTable([{ ...this.draft.plan, score: this.draft.score() }], {
      outdated: this.draft.isScoreOutdated ? SERVER_FIGURES : [],
      places: this.draft.places(),
      showPlace: (extent) => this.zoomTo(extent),
    });
  }

  private refreshScores(): void {
    const card = elementById("side").querySelector(".scores .holder");
    card?.replaceChildren(...(this.isScoreCardOpen ? [this.scoreCard()] : []));
  }

  private zoomTo(extent: Extent): void {
    const duration = isMotionReduced() ? 0 : 500;
    this.view.map.fitBounds(extent, { padding: 120, maxZoom: 18, duration });
  }

  /** Go to a place that was searched for, mark it, and tell its cell. */
  private showPlace({ lon, lat }: { lon: number; lat: number }): void {
    const zoom = Math.max(this.view.map.getZoom(), PLACE_ZOOM);
    this.view.map.jumpTo({ center: [lon, lat], zoom });
    this.view.showPin([lon, lat]);
    const index = this.draft.cellAt([lon, lat]);
    if (index === null) return;
    const { atom } = this.draft.cells[index]!;
    this.view.hoverAtom(atom);
    showCell(this.draft, atom);
  }

  setTool(tool: Tool): void {
    this.tools.setTool(tool);
    this.dropPendingMove();
    markActiveTool(tool);
    this.showToolHint();
  }

  /** Say what the tool waits for. */
  private showToolHint(): void {
    if (this.tools.tool === "dedicated") showHint(text("plan.draw_shape"));
    else if (this.needsGrid) showHint(text("plan.choose_grid"));
  }

  /** Whether the tool has no grid to move buildings into. */
  private get needsGrid(): boolean {
    const { isEditable } = this.draft;
    return isEditable && this.active === null && TOOLS_FOR_GRID.includes(this.tools.tool);
  }

  // -- gestures

  private handleHover(atoms: number[] | null): void {
    this.view.hoverAtom(atoms?.[0] ?? null);
    if (isAsking() || this.tools.tool === "dedicated") return;
    if (atoms === null) this.dropPendingMove();
    else if (this.draft.isEditable && this.active !== null) this.previewAtoms(atoms);
    else showCell(this.draft, atoms[0]!);
  }

  /** The move that the current tool makes of atoms; null where no grid is selected. */
  private moveOf(atoms: Iterable<number>): Move | null {
    if (this.tools.tool === "eraser") return this.draft.previewHome(atoms);
    if (this.tools.tool === "dedicated") return this.draft.preview(atoms, null, true);
    return this.active === null ? null : this.draft.preview(atoms, this.active);
  }

  /** Show what a move would change. */
  private previewAtoms(atoms: Iterable<number>): void {
    const move = this.moveOf(atoms);
    if (move === null) this.view.markAtoms(atoms, false);
    else {
      this.setPendingMove(move);
      this.showMove(move, false);
    }
  }

  private setPendingMove(move: Move): void {
    this.pendingMove = move;
    this.view.markAtoms(move.atoms, isBreaking(move));
    this.refreshGridList();
  }

  private handleSelected(atoms: Set<number>, isAlternative: boolean): void {
    const [first] = atoms;
    const move = this.draft.isEditable && !isAlternative ? this.moveOf(atoms) : null;
    if (this.needsGrid || first === undefined || move?.atoms.length === 0) this.dropPendingMove();
    else if (move === null) {
      this.dropPendingMove();
      this.selectGrid(this.draft.cell(first).grid);
    } else {
      this.setPendingMove(move);
      if (isBreaking(move) || this.tools.tool === "dedicated") this.showMove(move, true);
      else this.applyPendingMove();
    }
  }

  applyPendingMove(): void {
    const move = this.pendingMove;
    if (!move) return;
    const isDedicated = this.tools.tool === "dedicated";
    this.dropPendingMove();
    if (move.changes.some((change) => change.breaks === "locked")) return;
    this.draft.move(move, isDedicated);
    if (isDedicated) this.setTool("click");
  }

  dropPendingMove(): void {
    this.view.markAtoms([], false);
    if (this.pendingMove !== null || isPreviewShown()) {
      this.pendingMove = null;
      hidePreview();
      this.refreshGridList();
    }
    this.showToolHint();
  }

  /** Update the figures of the list to the pending move. */
  private refreshGridList(): void {
    const list = elementById("side").querySelector(".grids");
    list?.replaceWith(this.gridList());
  }

  private showMove(move: Move, isAsking: boolean): void {
    showMovePreview(
      this.draft,
      move,
      isAsking
        ? { apply: () => this.applyPendingMove(), leave: () => this.dropPendingMove() }
        : null,
    );
  }

  // -- grids

  selectGrid(code: string | null, zoom = false): void {
    this.active = code;
    this.show();
    if (this.pendingMove === null && !isAsking()) {
      hidePreview();
      this.showToolHint();
    }
    if (code && zoom) this.zoomTo(draftExtent(this.draft, code));
  }

  private split(): void {
    if (this.active) this.draft.send({ kind: "split", grid: this.active });
  }

  private merge(): void {
    const grids = [...this.merging].sort();
    this.merging.clear();
    this.draft.send({ kind: "merge", grids });
  }

  private handleKey(event: KeyboardEvent): void {
    if (
      (event.target as HTMLElement).matches("input, select, textarea") ||
      document.querySelector("dialog[open]")
    )
      return;
    const isControl = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (isControl && key === "z") void this.draft.step(event.shiftKey ? "redo" : "undo");
    else if (isControl && key === "y") void this.draft.step("redo");
    else if (isControl || event.altKey) return;
    else if (key === "escape") this.escape();
    else if (key === "n") this.showNextProblem();
    else if (this.draft.isEditable && TOOL_KEYS[key]) this.setTool(TOOL_KEYS[key]);
    else if (/^[1-9]$/.test(key))
      this.selectGrid([...this.draft.grids.keys()].sort()[Number(key) - 1] ?? null);
    else return;
    event.preventDefault();
  }

  /** Cancel the move that is asked about, else leave the tool; the chosen grid stays chosen. */
  private escape(): void {
    if (isAsking() && this.tools.tool !== "dedicated") this.dropPendingMove();
    else this.setTool("click");
  }

  // -- the server and other editors

  private handleDraftEvent(event: DraftEvent): void {
    if (this.active && !this.draft.grids.has(this.active)) this.active = null;
    this.merging = new Set([...this.merging].filter((code) => this.draft.grids.has(code)));
    this.show();
    if (event.kind === "offline") {
      notify(text("plan.offline", { reason: event.reason }), {
        label: text("plan.send_again"),
        run: () => void this.draft.flush(),
      });
    } else if (event.kind === "refused") notify(event.reason);
    else if (event.kind === "conflict") {
      const who = event.by || text("plan.somebody");
      notify(text("plan.conflict", { who }), {
        label: text("plan.try_again"),
        run: () => this.draft.send(event.edit),
      });
    }
  }

  /** Take over the figures of the server once it has scored the plan. */
  private async pollScore(): Promise<void> {
    const { isSaving, isScoreOutdated, plan } = this.draft;
    if (isSaving || !isScoreOutdated || document.hidden) return;
    try {
      if (this.draft.updateScore(await fetchPlan(plan.id))) this.refreshScores();
    } catch (error) {
      if (!isOffline(error)) throw error;
    }
  }

  private async pollRevision(): Promise<void> {
    if (this.draft.isSaving || document.hidden) return;
    try {
      const { id } = this.draft.plan;
      const { revision } = await fetchPlan(id);
      if (this.draft.isSaving || revision <= this.draft.plan.revision) return;
      const who = await fetchLastAuthor(id);
      await this.draft.reload();
      if (who && who !== session()?.name) notify(text("plan.peer", { who }), undefined, "calm");
    } catch (error) {
      if (!isOffline(error)) throw error;
    }
  }
}

function isBreaking({ changes }: Move): boolean {
  return changes.some(({ breaks }) => breaks);
}
