// What a planner wishes of single buildings: together, apart, left where they are; chosen on a map.

import { button, element, icon } from "../dom";
import { formatNumber, preferredLanguage, text } from "../locale";
import { Draft } from "./draft";
import { nameOf } from "./grid-list";
import { ICONS } from "./icons";
import type { Plan } from "./plan-api";
import * as api from "./plan-api";
import { extentOf, View } from "./plan-map";
import { type Tool, Tools } from "./selection-tools";

const KINDS = ["together", "apart", "stay", "locked"] as const;
/** In one grid; each in another; in their grid of before; their whole grids as before. */
type Kind = (typeof KINDS)[number];

/** A wish: codes of buildings, or of grids where they are locked. */
export interface Wish {
  kind: Kind;
  codes: string[];
}

/** More buildings than these can't be told apart pair by pair. */
const MOST_APART = 12;
const TOOLS: Tool[] = ["click", "lasso", "rectangle", "compound"];
/** Wishes that only make sense with a plan before. */
const OF_BEFORE: Kind[] = ["stay", "locked"];

/** What is sent of wishes; what holds on to a plan before only where the drawing goes on from it. */
export function sent(wishes: Wish[], before: Plan | undefined): Record<string, unknown> {
  const codes = (...kinds: Kind[]) =>
    wishes.filter(({ kind }) => kinds.includes(kind)).map((wish) => wish.codes);
  const pairs = codes("apart").flatMap((group) =>
    group.flatMap((one, at) => group.slice(at + 1).map((other) => [one, other])),
  );
  const locked = before ? [...new Set(codes("stay", "locked").flat())] : [];
  return {
    ...(codes("together").length ? { together: codes("together") } : {}),
    ...(pairs.length ? { apart: pairs } : {}),
    ...(locked.length ? { locked, before: before!.id } : {}),
  };
}

export function said(wishes: Wish[]): string {
  const counts = KINDS.map((kind): [Kind, number] => [
    kind,
    wishes.filter((wish) => wish.kind === kind).length,
  ]);
  return counts
    .flatMap(([kind, count]) =>
      count ? [`${text(`plan.wish_${kind}`)} ${formatNumber(count)}`] : [],
    )
    .join(" · ");
}

/** Let wishes be made and taken back; `wishes` holds them when the dialog is closed. */
export async function pickWishes(
  code: string,
  before: Plan | undefined,
  wishes: Wish[],
  upper: number,
): Promise<void> {
  const picker = new Picker(before !== undefined, wishes, upper);
  const closed = new Promise<void>((done) =>
    picker.dialog.addEventListener("close", () => done(), { once: true }),
  );
  const draft = await ground(code, before);
  await picker.open(draft);
  await closed;
  picker.close();
}

/** The plan before, or where there is none yet the buildings, in no grid. */
async function ground(code: string, before: Plan | undefined): Promise<Draft> {
  const nobody = () => undefined;
  if (before) return Draft.open(before.id, nobody, true);
  const areas = await api.buildings(code);
  return new Draft(
    api.noPlan(code),
    areas,
    { type: "FeatureCollection", features: [] },
    nobody,
    true,
  );
}

class Picker {
  readonly dialog: HTMLDialogElement;
  private readonly list = element("ul", { class: "found" });
  private readonly bar = element("div", { class: "ways" });
  private readonly acts = element("div", { class: "ways" });
  private readonly picked = new Set<number>();
  private draft!: Draft;
  private view?: View;
  private tools!: Tools;

  constructor(
    private readonly continues: boolean,
    private readonly wishes: Wish[],
    private readonly upper: number,
  ) {
    this.dialog = element(
      "dialog",
      { class: "picker", "aria-label": text("plan.wishes") },
      element("h2", {}, text("plan.wishes")),
      element("p", {}, text("plan.wishes_help")),
      this.bar,
      element("div", {
        id: "wish-map",
        class: "picking",
        role: "application",
        "aria-label": text("plan.wishes"),
      }),
      this.acts,
      this.list,
      element(
        "div",
        { class: "ways" },
        button(text("plan.areas_done"), () => this.dialog.close(), { class: "primary" }),
      ),
    );
    document.body.append(this.dialog);
    this.dialog.showModal();
  }

  async open(draft: Draft): Promise<void> {
    this.draft = draft;
    this.view = await View.open(preferredLanguage(), extentOf(draft), "wish-map");
    this.view.load(draft);
    this.tools = new Tools(this.view, () => draft, {
      over: (atoms) => this.view!.hover(atoms?.[0] ?? null),
      choosing: (atoms) => this.view!.mark([...this.picked, ...atoms], false),
      chosen: (atoms) => this.choose([...atoms]),
    });
    const tools = TOOLS.map((name) =>
      button(icon(ICONS[name]), () => this.use(name), {
        class: "tool",
        "data-tool": name,
        title: text(`plan.pick_${name}`),
        "aria-label": text(`plan.pick_${name}`),
      }),
    );
    this.bar.replaceChildren(...tools);
    this.use("click");
    this.show();
    Object.assign(window, {
      gridatlas: { map: this.view.map, wishing: { draft, view: this.view } },
    });
  }

  close(): void {
    this.view?.close();
    this.dialog.remove();
  }

  private use(tool: Tool): void {
    this.tools.use(tool);
    for (const one of this.bar.querySelectorAll<HTMLElement>("[data-tool]"))
      one.setAttribute("aria-pressed", String(one.dataset.tool === tool));
  }

  /** Take cells into the choice, or out of it where all are in it: always whole buildings. */
  private choose(atoms: number[]): void {
    const buildings = new Set(atoms.map((atom) => this.draft.cell(atom).building));
    const whole = this.draft.cells
      .filter(({ building }) => building !== null && buildings.has(building))
      .map(({ atom }) => atom);
    const out = whole.every((atom) => this.picked.has(atom));
    for (const atom of whole)
      if (out) this.picked.delete(atom);
      else this.picked.add(atom);
    this.show();
  }

  private codes(): string[] {
    return [...new Set([...this.picked].map((atom) => this.draft.cell(atom).building!))].sort();
  }

  private wish(kind: Kind): void {
    const grids = [...new Set([...this.picked].map((atom) => this.draft.cell(atom).grid))].sort();
    this.wishes.push({ kind, codes: kind === "locked" ? grids : this.codes() });
    this.clear();
  }

  private clear(): void {
    this.picked.clear();
    this.show();
  }

  private show(): void {
    this.view?.mark(this.picked, false);
    const count = this.codes().length;
    const able: Record<Kind, boolean> = {
      together: count > 1,
      apart: count > 1 && count <= MOST_APART,
      stay: count > 0,
      locked: count > 0,
    };
    const ways = KINDS.filter((kind) => this.continues || !OF_BEFORE.includes(kind)).map((kind) => {
      const way = button(text(`plan.wish_${kind}`), () => this.wish(kind), {
        title: text(`plan.wish_${kind}_help`, { most: MOST_APART }),
        "data-wish": kind,
      });
      way.disabled = !able[kind];
      return way;
    });
    const none = button(text("plan.wish_clear"), () => this.clear(), { class: "quiet" });
    none.disabled = count === 0;
    const households = this.households(this.codes());
    this.acts.replaceChildren(
      element(
        "span",
        { class: "count", role: "status" },
        text("plan.moving", { buildings: count, households: formatNumber(households) }),
      ),
      ...ways,
      none,
    );
    this.list.replaceChildren(...this.wishes.map((wish) => this.row(wish)));
  }

  private households(codes: string[]): number {
    return this.draft.cells.reduce(
      (sum, cell) => (cell.building && codes.includes(cell.building) ? sum + cell.households : sum),
      0,
    );
  }

  private row(wish: Wish): HTMLElement {
    const atoms = this.draft.cells
      .filter((cell) =>
        wish.codes.includes(wish.kind === "locked" ? cell.grid : (cell.building ?? "")),
      )
      .map(({ atom }) => atom);
    const look = button(
      element(
        "span",
        {},
        element("b", {}, text(`plan.wish_${wish.kind}`)),
        ` ${this.described(wish)}`,
      ),
      () => this.goTo(atoms),
      { class: "quiet" },
    );
    look.addEventListener("mouseenter", () => this.view?.mark(atoms, false));
    look.addEventListener("mouseleave", () => this.view?.mark(this.picked, false));
    const much =
      wish.kind === "together" && this.households(wish.codes) > this.upper
        ? element("strong", { class: "breaks" }, text("plan.breaks_above"))
        : null;
    const remove = () => {
      this.wishes.splice(this.wishes.indexOf(wish), 1);
      this.show();
    };
    return element("li", {}, look, much, button(text("plan.discard"), remove, { class: "quiet" }));
  }

  private described({ kind, codes }: Wish): string {
    const names = codes.slice(0, 3).map((code) => {
      const grid = this.draft.grids.get(code);
      return grid && kind === "locked"
        ? nameOf(grid)
        : this.draft.cells.find((cell) => cell.building === code)?.name || code;
    });
    const more = codes.length > names.length ? text("plan.wish_more", { count: codes.length }) : "";
    const sum =
      kind === "locked"
        ? ""
        : ` · ${text("page.households_unit", { households: formatNumber(this.households(codes)) })}`;
    return `${names.join(text("plan.and"))}${more}${sum}`;
  }

  private goTo(atoms: number[]): void {
    const first = atoms[0];
    if (first === undefined) return;
    const { lon, lat } = this.draft.cell(first);
    if (lon !== null && lat !== null)
      this.view?.map.easeTo({ center: [lon, lat], zoom: Math.max(this.view.map.getZoom(), 16.5) });
  }
}
