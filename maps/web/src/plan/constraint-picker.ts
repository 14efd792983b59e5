// A dialog in which constraints on buildings and grids are chosen on a map.

import { button, div, element, icon } from "../dom";
import { formatNumber, preferredLanguage, text } from "../locale";
import {
  CONSTRAINT_KINDS,
  type Constraint,
  type ConstraintKind,
  isPossible,
  MAX_APART,
} from "./constraints";
import { Draft } from "./draft";
import { gridName } from "./grid-list";
import { ICONS } from "./icons";
import { emptyPlan, fetchBuildings, type Plan } from "./plan-api";
import { draftExtent } from "./plan-features";
import { PlanMap } from "./plan-map";
import { SelectionTools, type Tool } from "./selection-tools";

const TOOLS: Tool[] = ["click", "lasso", "rectangle", "compound"];
/** Constraints that need a previous plan. */
const PREVIOUS_PLAN_KINDS: ConstraintKind[] = ["stay", "locked"];

/** Let constraints be added and removed; `constraints` is changed in place. */
export async function pickConstraints(
  code: string,
  previous: Plan | undefined,
  constraints: Constraint[],
  upper: number,
): Promise<void> {
  const picker = new ConstraintPicker(previous !== undefined, constraints, upper);
  const closed = new Promise<void>((resolve) =>
    picker.dialog.addEventListener("close", () => resolve(), { once: true }),
  );
  const draft = await loadDraft(code, previous);
  await picker.open(draft);
  await closed;
  picker.close();
}

/** The previous plan; without one, the buildings in no grid. */
async function loadDraft(code: string, previous: Plan | undefined): Promise<Draft> {
  const ignore = () => undefined;
  if (previous) return Draft.open(previous.id, ignore, true);
  const buildings = await fetchBuildings(code);
  return new Draft(
    emptyPlan(code),
    buildings,
    { type: "FeatureCollection", features: [] },
    ignore,
    true,
  );
}

class ConstraintPicker {
  readonly dialog: HTMLDialogElement;
  private readonly list = element("ul", { class: "found" });
  private readonly bar = element("div", { class: "ways" });
  private readonly actions = element("div", { class: "ways" });
  private readonly pickedAtoms = new Set<number>();
  private draft!: Draft;
  private view?: PlanMap;
  private tools!: SelectionTools;

  constructor(
    private readonly hasPreviousPlan: boolean,
    private readonly constraints: Constraint[],
    private readonly upper: number,
  ) {
    this.dialog = element(
      "dialog",
      { class: "picker", "aria-label": text("plan.constraints") },
      element("h2", {}, text("plan.constraints")),
      element("p", {}, text("plan.constraints_help")),
      this.bar,
      element("div", {
        id: "constraint-map",
        class: "picking",
        role: "application",
        "aria-label": text("plan.constraints"),
      }),
      this.actions,
      this.list,
      div(
        "ways",
        button(text("plan.areas_done"), () => this.dialog.close(), { class: "primary" }),
      ),
    );
    document.body.append(this.dialog);
    this.dialog.showModal();
  }

  async open(draft: Draft): Promise<void> {
    this.draft = draft;
    this.view = await PlanMap.open(preferredLanguage(), draftExtent(draft), "constraint-map");
    this.view.load(draft);
    this.tools = new SelectionTools(this.view, () => draft, {
      onHover: (atoms) => this.view!.hoverAtom(atoms?.[0] ?? null),
      onSelecting: (atoms) => this.view!.markAtoms([...this.pickedAtoms, ...atoms], false),
      onSelected: (atoms) => this.togglePicked([...atoms]),
    });
    const tools = TOOLS.map((name) =>
      button(icon(ICONS[name]), () => this.setTool(name), {
        class: "tool",
        "data-tool": name,
        title: text(`plan.pick_${name}`),
        "aria-label": text(`plan.pick_${name}`),
      }),
    );
    this.bar.replaceChildren(...tools);
    this.setTool("click");
    this.show();
    Object.assign(window, {
      gridatlas: { map: this.view.map, picking: { draft, view: this.view } },
    });
  }

  close(): void {
    this.view?.close();
    this.dialog.remove();
  }

  private setTool(tool: Tool): void {
    this.tools.setTool(tool);
    for (const item of this.bar.querySelectorAll<HTMLElement>("[data-tool]")) {
      item.setAttribute("aria-pressed", String(item.dataset.tool === tool));
    }
  }

  /** Add the buildings of atoms to the choice; remove them if all are in it. */
  private togglePicked(atoms: number[]): void {
    const buildings = new Set(atoms.map((atom) => this.draft.cell(atom).building));
    const wholeBuildings = this.draft.cells
      .filter(({ building }) => building !== null && buildings.has(building))
      .map(({ atom }) => atom);
    const areAllPicked = wholeBuildings.every((atom) => this.pickedAtoms.has(atom));
    for (const atom of wholeBuildings) {
      if (areAllPicked) this.pickedAtoms.delete(atom);
      else this.pickedAtoms.add(atom);
    }
    this.show();
  }

  private pickedBuildings(): string[] {
    return [
      ...new Set([...this.pickedAtoms].map((atom) => this.draft.cell(atom).building!)),
    ].sort();
  }

  private addConstraint(kind: ConstraintKind): void {
    const grids = [
      ...new Set([...this.pickedAtoms].map((atom) => this.draft.cell(atom).grid)),
    ].sort();
    this.constraints.push({ kind, codes: kind === "locked" ? grids : this.pickedBuildings() });
    this.clear();
  }

  private clear(): void {
    this.pickedAtoms.clear();
    this.show();
  }

  private show(): void {
    this.view?.markAtoms(this.pickedAtoms, false);
    const count = this.pickedBuildings().length;
    const buttons = CONSTRAINT_KINDS.filter(
      (kind) => this.hasPreviousPlan || !PREVIOUS_PLAN_KINDS.includes(kind),
    ).map((kind) => {
      const add = button(text(`plan.constraint_${kind}`), () => this.addConstraint(kind), {
        title: text(`plan.constraint_${kind}_help`, { most: MAX_APART }),
        "data-constraint": kind,
      });
      add.disabled = !isPossible(kind, count);
      return add;
    });
    const clear = button(text("plan.constraint_clear"), () => this.clear(), { class: "quiet" });
    clear.disabled = count === 0;
    const households = this.households(this.pickedBuildings());
    this.actions.replaceChildren(
      element(
        "span",
        { class: "count", role: "status" },
        text("plan.moving", { buildings: count, households: formatNumber(households) }),
      ),
      ...buttons,
      clear,
    );
    this.list.replaceChildren(
      ...this.constraints.map((constraint) => this.constraintItem(constraint)),
    );
  }

  private households(codes: string[]): number {
    return this.draft.cells.reduce(
      (sum, cell) => (cell.building && codes.includes(cell.building) ? sum + cell.households : sum),
      0,
    );
  }

  private constraintItem(constraint: Constraint): HTMLElement {
    const atoms = this.draft.cells
      .filter((cell) =>
        constraint.codes.includes(constraint.kind === "locked" ? cell.grid : (cell.building ?? "")),
      )
      .map(({ atom }) => atom);
    const show = button(
      element(
        "span",
        {},
        element("b", {}, text(`plan.constraint_${constraint.kind}`)),
        ` ${this.describe(constraint)}`,
      ),
      () => this.goTo(atoms),
      { class: "quiet" },
    );
    show.addEventListener("mouseenter", () => this.view?.markAtoms(atoms, false));
    show.addEventListener("mouseleave", () => this.view?.markAtoms(this.pickedAtoms, false));
    const warning =
      constraint.kind === "together" && this.households(constraint.codes) > this.upper
        ? element("strong", { class: "breaks" }, text("plan.breaks_above"))
        : null;
    const remove = () => {
      this.constraints.splice(this.constraints.indexOf(constraint), 1);
      this.show();
    };
    return element(
      "li",
      {},
      show,
      warning,
      button(text("plan.discard"), remove, { class: "quiet" }),
    );
  }

  private describe({ kind, codes }: Constraint): string {
    const names = codes.slice(0, 3).map((code) => {
      const grid = this.draft.grids.get(code);
      return grid && kind === "locked"
        ? gridName(grid)
        : this.draft.cells.find((cell) => cell.building === code)?.name || code;
    });
    const more =
      codes.length > names.length ? text("plan.constraint_more", { count: codes.length }) : "";
    const sum =
      kind === "locked"
        ? ""
        : ` · ${text("page.households_unit", { households: formatNumber(this.households(codes)) })}`;
    return `${names.join(text("page.and"))}${more}${sum}`;
  }

  private goTo(atoms: number[]): void {
    const first = atoms[0];
    if (first === undefined) return;
    const { lon, lat } = this.draft.cell(first);
    if (lon !== null && lat !== null)
      this.view?.map.easeTo({ center: [lon, lat], zoom: Math.max(this.view.map.getZoom(), 16.5) });
  }
}
