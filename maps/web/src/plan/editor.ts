// The editor of a plan: the list of grids with figures that follow every gesture, tools, undo and
// redo, breaches, and edits by other people.

import { type Extent, isMotionReduced } from "../bounds";
import { elementById, notify } from "../dom";
import { type Language, text } from "../locale";
import { nextIndex } from "../search";
import { BorderTool } from "./border-tool";
import { Draft, type DraftEvent } from "./draft";
import { pollDraft } from "./draft-polling";
import { handleKey, type KeyActions } from "./editor-keys";
import { gridForm, gridList, microGridLine } from "./grid-list";
import { isBreaking, type Move } from "./move";
import {
  hidePreview,
  isAsking,
  isPreviewShown,
  showCell,
  showHint,
  showMovePreview,
} from "./move-preview";
import { attachPan } from "./pan";
import type { Register } from "./people";
import { planActions, planHeading, showSaveState } from "./plan-actions";
import { type Areas, fetchMicroGrids, fetchRegister, type MicroGrid, type Plan } from "./plan-api";
import { PlanComments } from "./plan-comments";
import { draftExtent } from "./plan-features";
import { PlanMap } from "./plan-map";
import { gridsWithProblems, problemLine } from "./problem-list";
import { ScoreSection } from "./score-section";
import { OTHER_TOOLS, SelectionTools, type Tool } from "./selection-tools";
import { StepHistory } from "./step-history";
import { markActiveTool, showToolbar } from "./toolbar";

const PLACE_ZOOM = 17.5;

/** Tools that move atoms into the chosen grid, and do nothing without one. */
const TOOLS_FOR_GRID: Tool[] = ["brush", "lasso", "rectangle"];

export class Editor {
  active: string | null = null;
  private pendingMove: Move | null = null;
  private readonly tools: SelectionTools;
  private readonly borderTool: BorderTool;
  private readonly scores: ScoreSection;
  private readonly history: StepHistory;
  private readonly comments: PlanComments;
  private merging = new Set<string>();
  private problemIndex = -1;
  private microGrids: Areas<MicroGrid> | null = null;
  private register: Register = new Map();
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
    this.borderTool = new BorderTool(draft, view, (move) => this.askMove(move));
    this.scores = new ScoreSection(draft, (extent) => this.zoomTo(extent));
    this.history = new StepHistory(draft);
    this.comments = new PlanComments(draft.plan.id, view, {
      onAdd: () => this.setTool("comment"),
      showPlace: ([lon, lat]) => this.showPlace({ lon, lat }),
    });
    view.map.on("click", ({ lngLat }) => this.writeComment([lngLat.lng, lngLat.lat]));
  }

  static async open(
    id: number,
    lang: Language,
    isReadOnly: boolean,
    signal: AbortSignal,
  ): Promise<Editor> {
    let editor: Editor | undefined;
    const draft = await Draft.open(id, (event) => editor?.handleDraftEvent(event), isReadOnly);
    signal.throwIfAborted();
    const view = await PlanMap.open(lang, draftExtent(draft), "map", signal);
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
    const keys = this.keyActions();
    document.addEventListener("keydown", (event) => handleKey(event, keys), { signal });
    window.addEventListener("online", () => void this.draft.flush(), { signal });
    const keepOpen = (event: Event) => this.draft.isSaving && event.preventDefault();
    window.addEventListener("beforeunload", keepOpen, { signal });
    pollDraft(this.draft, () => this.scores.refresh(), signal);
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
    void fetchRegister(this.plan.community_code).then((register) => {
      this.register = register;
      if (!signal.aborted) this.refreshGridList();
    });
    void this.comments.refresh();
    Object.assign(window, { gridatlas: { map: this.view.map, editor: this } });
  }

  // -- display

  private show(): void {
    this.view.show(this.draft, this.active);
    this.showMicroGrids();
    const { plan } = this.draft;
    elementById("side").replaceChildren(
      planHeading(plan),
      planActions({
        draft: this.draft,
        canSplit: this.active !== null,
        canMerge: this.merging.size >= 2,
        split: () => this.split(),
        merge: () => this.merge(),
      }),
      problemLine(
        this.draft,
        () => this.showNextProblem(),
        (code) => this.selectGrid(code, true),
      ),
      this.borderTool.panel,
      this.gridList(),
      this.draft.isEditable && this.active ? gridForm(this.draft, this.active) : "",
      (this.active && microGridLine(this.draft.grids.get(this.active))) || "",
      this.scores.section,
      this.history.section,
      this.comments.section,
    );
    showSaveState(this.draft);
    this.scores.refresh();
    void this.history.refresh();
  }

  /** Show the micro-grids of the grids that have not changed since they were divided. */
  private showMicroGrids(): void {
    if (this.microGrids === null) return;
    const divided = [...this.draft.grids.values()].filter((grid) => grid.micro_grids > 0);
    this.view.showMicroGrids(this.microGrids, new Set(divided.map(({ code }) => code)));
  }

  private showNextProblem(): void {
    const grids = gridsWithProblems(this.draft);
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
      register: this.register,
      selectGrid: (code) => this.selectGrid(code),
      onMergeChange: () => this.show(),
    });
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
    showCell(this.draft, this.register, atom);
  }

  setTool(tool: Tool): void {
    this.tools.setTool(tool);
    this.dropPendingMove();
    this.borderTool.setActive(tool === "border", this.active);
    markActiveTool(tool);
    this.showToolHint();
  }

  /** Write a comment at a place; return whether that is what the tool is for. */
  private writeComment(place: [number, number]): boolean {
    if (this.tools.tool !== "comment") return false;
    this.setTool("click");
    hidePreview();
    this.comments.write(place);
    return true;
  }

  /** Say what the tool waits for. */
  private showToolHint(): void {
    if (this.tools.tool === "dedicated") showHint(text("plan.draw_shape"));
    else if (this.tools.tool === "comment") showHint(text("plan.comment_where"));
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
    if (isAsking() || OTHER_TOOLS.includes(this.tools.tool)) return;
    if (atoms === null) this.dropPendingMove();
    else if (this.draft.isEditable && this.active !== null) this.previewAtoms(atoms);
    else showCell(this.draft, this.register, atoms[0]!);
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

  /** Show a move and ask whether to make it; null drops the one that is asked about. */
  private askMove(move: Move | null): void {
    if (move === null) this.dropPendingMove();
    else {
      this.setPendingMove(move);
      this.showMove(move, true);
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

  private keyActions(): KeyActions {
    const codes = () => [...this.draft.grids.keys()].sort();
    return {
      step: (direction) => void this.draft.step(direction),
      escape: () => this.escape(),
      enter: () => this.writeComment(this.view.map.getCenter().toArray()),
      showNextProblem: () => this.showNextProblem(),
      chooseTool: (tool) => {
        if (this.draft.isEditable) this.setTool(tool);
        return this.draft.isEditable;
      },
      chooseGrid: (index) => this.selectGrid(codes()[index] ?? null),
    };
  }

  /** Cancel the move that is asked about, else leave the tool; the chosen grid stays chosen. */
  private escape(): void {
    if (isAsking() && this.tools.tool !== "dedicated") this.dropPendingMove();
    else this.setTool("click");
  }

  // -- the server and other editors

  private handleDraftEvent(event: DraftEvent): void {
    // an edit may be answered after the reader has gone elsewhere
    if (!this.view.isClosed) this.showEdit();
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

  private showEdit(): void {
    if (this.active && !this.draft.grids.has(this.active)) this.active = null;
    this.merging = new Set([...this.merging].filter((code) => this.draft.grids.has(code)));
    this.borderTool.refresh();
    this.show();
  }
}
