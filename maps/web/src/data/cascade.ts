// What followed from a run beyond its own changes, and what a person should check.

import { button, type Child, element } from "../dom";
import { formatNumber, text } from "../locale";
import { fitGeometry } from "./change-map";
import type { RunReport } from "./import-api";
import { columnName, layerNames } from "./labels";

type PipeNetwork = NonNullable<RunReport["network"]>;

const MAX_ROWS = 50;
/** Lists of at most this length are open at first. */
const MAX_OPEN_ROWS = 8;
const PIPE_FAULTS = [
  "loose_ends",
  "near_misses",
  "reversed",
  "far_ends",
  "doubles",
  "parallels",
  "loose_valves",
] as const;

/** Lists of stale plans, moved features, topology faults, kept corrections, and what was not used. */
export function cascadeLists(report: RunReport): HTMLElement[] {
  const { stale = [], moved = [], units_removed = [], ends_loosened = [] } = report;
  const { topology = {}, network = {}, corrections_kept = [] } = report;
  const { unused_columns = {}, unread_layers = [], register_left = [] } = report;
  const count = (value = 0) => ({ count: formatNumber(value) });
  return [
    ...collapsibleList(text("data.stale"), stale.map(stalePlanItem)),
    ...collapsibleList(
      text("data.moved", count(report.moved_count)),
      moved.map(({ code, old, new: community }) =>
        featureItem("building", code, `${old ?? "—"} → ${community}`),
      ),
    ),
    ...collapsibleList(
      text("report.units_removed", count(report.units_removed_count)),
      units_removed.map(({ code, building, households, source }) =>
        featureItem(
          "building_unit",
          code,
          text("data.unit_of", { building, source, ...count(households) }),
        ),
      ),
    ),
    ...collapsibleList(
      text("report.register_left", count(report.register_left_count)),
      register_left.map(({ building, dwellings, entities }) =>
        featureItem("building", building, text("data.register_left_said", { dwellings, entities })),
      ),
    ),
    ...collapsibleList(
      text("report.ends_loosened", count(report.ends_loosened_count)),
      ends_loosened.map(({ code, source }) => featureItem("pipe_segment", code, source)),
    ),
    ...collapsibleList(text("report.topology"), (topology.breaches ?? []).map(breachItem)),
    ...networkLists(network),
    ...collapsibleList(text("data.kept"), corrections_kept.map(correctionItem)),
    ...collapsibleList(
      text("report.unused_columns"),
      Object.entries(unused_columns).flatMap(([layer, columns]) =>
        Object.entries(columns).map(([name, similar]) => unusedColumnItem(layer, name, similar)),
      ),
    ),
    ...collapsibleList(
      text("data.unread_layers"),
      unread_layers.map((layer) => element("li", {}, layer)),
    ),
  ];
}

function unusedColumnItem(layer: string, name: string, similar: string | null): HTMLElement {
  const hint = similar ? text("data.similar_to", { column: columnName(similar) }) : "";
  return element("li", {}, `${layerNames(layer)}: ${name} ${hint}`);
}

type Row<Key extends keyof RunReport> =
  NonNullable<RunReport[Key]> extends (infer Item)[] ? Item : never;

function stalePlanItem({ community, version, grids }: Row<"stale">): HTMLElement {
  const link = element(
    "a",
    { href: `/plan/c/${community}`, target: "_blank" },
    `${community} ${text("page.version", { version })}`,
  );
  return element("li", {}, link, ` ${text("data.stale_grids", { grids: grids.length })}`);
}

function correctionItem(correction: Row<"corrections_kept">): HTMLElement {
  const { code, field, value, actor, delivered } = correction;
  return element("li", {}, `${code} ${field}: ${value} (${actor}) ≠ ${delivered}`);
}

function breachItem(
  breach: NonNullable<NonNullable<RunReport["topology"]>["breaches"]>[number],
): HTMLElement {
  const area = formatNumber(Math.round(breach.area_m2));
  return placeItem(
    `${text(`report.${breach.kind}`)} ${breach.codes.join(" / ")} · ${area} m²`,
    breach,
  );
}

/** Nodes that the run created, and pipe ends that do not fit. */
function networkLists(network: PipeNetwork): HTMLElement[] {
  const { made = 0 } = network;
  const created = element("p", {}, text("data.nodes_made", { count: formatNumber(made) }));
  const lists = PIPE_FAULTS.flatMap((fault) => {
    const spots = network[fault] ?? [];
    const title = text(`data.${fault}`, { count: formatNumber(spots.length) });
    const rows = spots.map((spot) => {
      const { code, near } = spot;
      return placeItem(near ? text("data.beside", { code, near }) : code, spot);
    });
    return collapsibleList(title, rows);
  });
  return made ? [created, ...lists] : lists;
}

function collapsibleList(title: string, rows: HTMLElement[]): HTMLElement[] {
  if (!rows.length) return [];
  const rest = rows.length - MAX_ROWS;
  const more: Child =
    rest > 0 ? element("small", {}, text("data.and_more", { count: formatNumber(rest) })) : null;
  return [
    element(
      "details",
      rows.length <= MAX_OPEN_ROWS ? { open: "" } : {},
      element("summary", {}, title),
      element("ul", { class: "runs" }, ...rows.slice(0, MAX_ROWS)),
      more,
    ),
  ];
}

function featureItem(layer: string, code: string, words: string): HTMLElement {
  const href = `/data/layers/${layer}/${encodeURIComponent(code)}`;
  return element("li", {}, element("a", { href }, code), ` ${words}`);
}

function placeItem(words: string, { lon, lat }: { lon: number; lat: number }): HTMLElement {
  const show = () => fitGeometry({ type: "Point", coordinates: [lon, lat] });
  return element("li", {}, button(words, show, { class: "quiet", title: text("data.show") }));
}
