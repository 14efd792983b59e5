// Overlays with their counts: on and off, with what they found in view.

import type { Map as LibreMap } from "maplibre-gl";

import { button, element, elementById, notify } from "../dom";
import { formatNumber, text } from "../locale";
import type { Overlay } from "./fire-api";
import * as api from "./fire-api";
import { SEVERITY, showOverlays } from "./fire-layers";
import { findingLine } from "./panel";

const on = new Set<string>();

export async function listOverlays(map: LibreMap): Promise<void> {
  const found = element("ul", { class: "findings" });
  const rows = element("ul", { class: "lines" });
  const age = element("div", { class: "age" });
  const fill = async () => {
    const { overlays } = await api.overlays();
    rows.replaceChildren(...overlays.map((overlay) => overlayRow(map, overlay, found)));
    age.replaceChildren(...checked(overlays, fill));
  };
  await fill();
  const box = element(
    "details",
    { class: "overlays" },
    element("summary", {}, text("desk.overlays")),
    rows,
    severities(),
    age,
    found,
  );
  box.open = window.innerWidth >= 900;
  elementById("overlays").replaceChildren(box);
  map.on("moveend", () => void listFindings(map, found));
}

/** When the city was checked last, and a way to check it again where its data changed. */
function checked(overlays: Overlay[], then: () => Promise<void>): HTMLElement[] {
  const times = overlays.flatMap(({ computed_at }) => (computed_at ? [computed_at] : [])).sort();
  const when = times[0]
    ? text("desk.checked_at", {
        when: new Date(times[0]).toLocaleString(document.documentElement.lang, {
          dateStyle: "medium",
          timeStyle: "short",
        }),
      })
    : text("desk.never_checked");
  if (!overlays.some(({ stale }) => stale)) return [element("small", {}, when)];
  const again = button(
    text("desk.check_now"),
    () => {
      again.disabled = true;
      again.textContent = text("desk.checking");
      api.refresh().then(then, (error: Error) => (notify(error.message), void then()));
    },
    { title: text("desk.check_help") },
  );
  return [element("small", {}, times[0] ? `${when} · ${text("desk.data_changed")}` : when), again];
}

function overlayRow(map: LibreMap, overlay: Overlay, found: HTMLElement): HTMLElement {
  const tick = element("input", { type: "checkbox", id: `overlay-${overlay.id}` });
  tick.addEventListener("change", () => {
    if (tick.checked) on.add(overlay.id);
    else on.delete(overlay.id);
    showOverlays(map, on);
    void listFindings(map, found);
  });
  tick.checked = on.has(overlay.id);
  const counts = (overlay.computed_at ? (["high", "medium", "low", "missing"] as const) : []).map(
    (severity) => {
      const badge = element(
        "b",
        { class: "count", title: text(`desk.severity_${severity}`) },
        formatNumber(overlay.findings[severity] ?? 0),
      );
      badge.style.background = SEVERITY[severity] ?? "";
      return badge;
    },
  );
  return element(
    "li",
    { title: overlay.text },
    element("label", { for: tick.id }, tick, overlay.title),
    element(
      "span",
      { class: "counts" },
      ...(counts.length ? counts : [element("small", {}, text("desk.unchecked"))]),
    ),
  );
}

function severities(): HTMLElement {
  const rows = Object.entries(SEVERITY).map(([name, colour]) => {
    const mark = element("i", { class: "mark" });
    mark.style.background = colour;
    return element("span", {}, mark, text(`desk.severity_${name}`));
  });
  return element("p", { class: "severities" }, ...rows);
}

async function listFindings(map: LibreMap, place: HTMLElement): Promise<void> {
  if (on.size === 0) return place.replaceChildren();
  const bounds = map.getBounds();
  const bbox = [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()];
  const asked = [...on];
  const pages = await Promise.all(asked.map((overlay) => api.findings(overlay, bbox)));
  if (asked.join() !== [...on].join()) return;
  const total = pages.reduce((sum, page) => sum + page.numberMatched, 0);
  const rows = pages
    .flatMap((page) => page.features)
    .map((feature) => {
      const row = findingLine(feature.properties);
      const box = feature.bbox as [number, number, number, number] | undefined;
      if (box)
        row.append(
          button("→", () => void map.fitBounds(box, { maxZoom: 18.5, padding: 120 }), {
            class: "quiet",
            "aria-label": text("desk.go_there"),
          }),
        );
      return row;
    });
  place.replaceChildren(
    element("li", { class: "none" }, text("desk.in_view", { count: formatNumber(total) })),
    ...rows,
  );
}
