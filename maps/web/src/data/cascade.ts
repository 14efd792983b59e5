// What followed from a run besides what it delivered, and what a person should look at.

import { button, element } from "../dom";
import { formatNumber, text } from "../locale";
import { layersSaid, zoom } from "./change-map";
import type { Spot, Told } from "./import-api";

const LISTED = 50;
/** Lists of no more than these are shown open. */
const FEW = 8;

/** Lists of what the run made stale, moved, took along, left alone, and met on its way. */
export function consequences({ report }: Told): HTMLElement[] {
  const stale = (report.stale ?? []).map((one) => {
    const link = element(
      "a",
      { href: `/plan/c/${one.community}`, target: "_blank" },
      `${one.community} ${text("data.version", { version: one.version })}`,
    );
    return element("li", {}, link, ` ${text("data.stale_grids", { grids: one.grids.length })}`);
  });
  const kept = (report.corrections_kept ?? []).map((one) =>
    element(
      "li",
      {},
      `${one.code} ${one.field}: ${String(one.value)} (${one.actor}) ≠ ${String(one.delivered)}`,
    ),
  );
  const units = (report.units_removed ?? []).map((one) =>
    feature(
      "building_unit",
      one.code,
      text("data.unit_of", {
        building: one.building,
        count: formatNumber(one.households),
        source: one.source,
      }),
    ),
  );
  const ends = (report.ends_loosened ?? []).map((one) =>
    feature("pipe_segment", one.code, one.source),
  );
  const moved = (report.moved ?? []).map((one) =>
    feature("building", one.code, `${one.old ?? "—"} → ${one.new}`),
  );
  const breaches = (report.topology?.breaches ?? []).map((one) =>
    place(
      `${text(`data.${one.kind}`)} ${one.codes.join(" / ")} · ${formatNumber(Math.round(one.area_m2))} m²`,
      one,
    ),
  );
  return [
    ...listed(text("data.stale"), stale),
    ...listed(text("data.moved", { count: formatNumber(report.moved_count ?? 0) }), moved),
    ...listed(
      text("data.units_removed", { count: formatNumber(report.units_removed_count ?? 0) }),
      units,
    ),
    ...listed(
      text("data.ends_loosened", { count: formatNumber(report.ends_loosened_count ?? 0) }),
      ends,
    ),
    ...listed(text("data.breaches"), breaches),
    ...network(report),
    ...listed(text("data.kept"), kept),
    ...Object.entries(report.passed_over ?? {}).map(([layer, count]) =>
      element(
        "p",
        {},
        element(
          "small",
          {},
          text("data.passed_over", { layer: layersSaid(layer), count: formatNumber(count) }),
        ),
      ),
    ),
  ];
}

/** Nodes that were made, and ends of pipes that do not meet what they should. */
function network({ network: found }: Told["report"]): HTMLElement[] {
  if (!found) return [];
  const kinds = ["loose_ends", "near_misses", "reversed", "far_ends"] as const;
  return [
    ...(found.made
      ? [element("p", {}, text("data.nodes_made", { count: formatNumber(found.made) }))]
      : []),
    ...kinds.flatMap((kind) => {
      const spots: (Spot & { near?: string })[] = found[kind] ?? [];
      const rows = spots.map((one) =>
        place(one.near ? text("data.beside", { code: one.code, near: one.near }) : one.code, one),
      );
      return listed(text(`data.${kind}`, { count: formatNumber(spots.length) }), rows);
    }),
  ];
}

function listed(title: string, rows: HTMLElement[]): HTMLElement[] {
  if (!rows.length) return [];
  const list = element("ul", { class: "runs" }, ...rows.slice(0, LISTED));
  const rest = rows.length - LISTED;
  const more =
    rest > 0 ? element("small", {}, text("data.and_more", { count: formatNumber(rest) })) : null;
  return [
    element(
      "details",
      rows.length <= FEW ? { open: "" } : {},
      element("summary", {}, title),
      list,
      more,
    ),
  ];
}

function feature(layer: string, code: string, words: string): HTMLElement {
  return element(
    "li",
    {},
    element("a", { href: `/data/layers/${layer}/${encodeURIComponent(code)}` }, code),
    ` ${words}`,
  );
}

function place(words: string, { lon, lat }: { lon?: number; lat?: number }): HTMLElement {
  if (lon === undefined || lat === undefined) return element("li", {}, words);
  const show = () =>
    zoom([
      { type: "Feature", geometry: { type: "Point", coordinates: [lon, lat] }, properties: {} },
    ]);
  return element("li", {}, button(words, show, { class: "quiet", title: text("data.show") }));
}
