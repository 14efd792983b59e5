// Two plans of a community: one swiped over the other, with their differences and who moves.

import { definitionList, element, elementById, heading } from "../dom";
import { isOffline } from "../http";
import { formatMetres, formatNumber, type Language, text } from "../locale";
import { Draft } from "./draft";
import { movedList } from "./moved-list";
import { fetchComparison, fetchMovedAtoms, fetchPlan, type Plan } from "./plan-api";
import { cellCentre, draftExtent } from "./plan-features";
import { PlanMap } from "./plan-map";
import { scoreTable } from "./score-table";
import { hideSwipe, linkMaps, showSwipe } from "./swipe";

const BUILDING_ZOOM = 17.5;

/** How often the page checks for edits and new scores of the two plans. */
const POLL_INTERVAL_MS = 3000;

export async function showComparison(
  id: number,
  other: number,
  lang: Language,
  signal: AbortSignal,
): Promise<{ plan: Plan; close(): void }> {
  const [one, two] = await Promise.all([
    Draft.open(id, () => undefined),
    Draft.open(other, () => undefined),
  ]);
  signal.throwIfAborted();
  const extent = draftExtent(one);
  elementById("other").hidden = false;
  const [left, right] = await Promise.all([
    PlanMap.open(lang, extent, "other", signal),
    PlanMap.open(lang, extent, "map", signal),
  ]);
  left.load(two);
  right.load(one);
  linkMaps(left.map, right.map);
  showSwipe();
  const comparison = new Comparison(one, two, left, right, signal);
  await comparison.update();
  if (signal.aborted) for (const view of [left, right]) view.close();
  signal.throwIfAborted();
  const polling = window.setInterval(() => void comparison.poll(), POLL_INTERVAL_MS);
  Object.assign(window, { gridatlas: { map: right.map } });
  const close = () => {
    window.clearInterval(polling);
    for (const view of [left, right]) view.close();
    hideSwipe();
  };
  return { plan: one.plan, close };
}

class Comparison {
  constructor(
    private readonly one: Draft,
    private readonly two: Draft,
    private readonly left: PlanMap,
    private readonly right: PlanMap,
    private readonly signal: AbortSignal,
  ) {}

  /** Show the differences of the two plans as they are now. */
  async update(): Promise<void> {
    const [id, other] = [this.one.plan.id, this.two.plan.id];
    const [figures, moved] = await Promise.all([
      fetchComparison(id, other),
      fetchMovedAtoms(id, other),
    ]);
    if (this.signal.aborted) return;
    for (const view of [this.left, this.right]) view.showDifferences(moved);
    const versions = { left: this.two.plan.version, right: this.one.plan.version };
    elementById("side").replaceChildren(
      heading(text("plan.compare"), text("plan.swipe_help", versions)),
      definitionList([
        [text("plan.moved_households"), formatNumber(figures.moved_households)],
        [text("plan.moved_buildings"), formatNumber(figures.moved_buildings)],
        [text("plan.border_added"), formatMetres(figures.border_added_m)],
        [text("plan.border_removed"), formatMetres(figures.border_removed_m)],
      ]),
      this.scores(),
      element("h2", {}, text("plan.who_moves")),
      movedList(
        moved.features.map(({ properties }) => properties),
        {
          nameOf: (building) => this.one.buildingName(building),
          showAtom: (atom) => this.goTo(atom),
        },
      ),
    );
  }

  /** Follow edits of the two plans by others or in other windows, and new scores. */
  async poll(): Promise<void> {
    if (document.hidden) return;
    try {
      const drafts = [this.two, this.one];
      const plans = await Promise.all(drafts.map(({ plan }) => fetchPlan(plan.id)));
      const edited = drafts.filter(({ plan }, at) => plans[at]!.revision !== plan.revision);
      if (edited.length > 0) {
        await Promise.all(edited.map((draft) => draft.reload()));
        this.left.show(this.two, null);
        this.right.show(this.one, null);
        await this.update();
      } else if (drafts.filter((draft, at) => draft.updateScore(plans[at]!)).length > 0) {
        elementById("side").querySelector("table.card")?.replaceWith(this.scores());
      }
    } catch (error) {
      if (!isOffline(error)) throw error;
    }
  }

  private scores(): HTMLElement {
    const plans = [this.two, this.one].map((draft) => ({ ...draft.plan, score: draft.score() }));
    return scoreTable(plans);
  }

  private goTo(atom: number): void {
    const { map } = this.right;
    const center = cellCentre(this.one, this.one.index(atom)) as [number, number];
    map.easeTo({ center, zoom: Math.max(map.getZoom(), BUILDING_ZOOM) });
  }
}
