// The trend of an area: a line by month, with the same figures as a table.

import { element } from "../dom";
import { text } from "../locale";
import { type Area, type Indicator, SCORE, type Trend } from "./assess-api";
import { figureOf, formatValue, indicatorName, trendRuns } from "./figures";

const [WIDTH, HEIGHT, MARGIN] = [520, 150, 12];
const SVG = "http://www.w3.org/2000/svg";

export function trendSection(
  area: Area,
  { items }: Trend,
  key: string,
  indicators: Indicator[],
): HTMLElement {
  const title = element("h2", { tabindex: "-1" }, text("assess.trend_of", { area: area.name }));
  if (items.length === 0) {
    const none = element("p", { class: "none" }, text("assess.trend_empty"));
    return element("section", { class: "trend" }, title, none);
  }
  const indicator = indicators.find((indicator) => indicator.key === key);
  const values = items.map((month) => figureOf(month, key));
  const known = values.filter((value) => value !== null);
  const label = text("assess.trend_line", {
    area: area.name,
    indicator: indicatorName(indicators, key),
    least: known.length ? formatValue(Math.min(...known), indicator) : "–",
    most: known.length ? formatValue(Math.max(...known), indicator) : "–",
  });
  const isShare = key === SCORE || indicator?.unit === "percent";
  const top = isShare ? 100 : Math.max(0, ...known);
  const rows = items.map((month, index) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, month.month),
      element("td", {}, formatValue(values[index] ?? null, indicator)),
    ),
  );
  return element(
    "section",
    { class: "trend" },
    title,
    chart(trendRuns(values, top), label),
    element(
      "table",
      { class: "card" },
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          element("th", { scope: "col" }, text("assess.month")),
          element("th", { scope: "col" }, indicatorName(indicators, key)),
        ),
      ),
      element("tbody", {}, ...rows),
    ),
  );
}

function chart(runs: [number, number][][], label: string): SVGElement {
  const svg = svgElement("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  svg.setAttribute("aria-label", label);
  const base = HEIGHT - MARGIN;
  svg.append(svgElement("path", { class: "axis", d: `M${MARGIN} ${base}H${WIDTH - MARGIN}` }));
  for (const run of runs) {
    const places = run.map(([x, y]): [number, number] => [
      MARGIN + x * (WIDTH - 2 * MARGIN),
      base - y * (HEIGHT - 2 * MARGIN),
    ]);
    const points = places.map((place) => place.map((side) => side.toFixed(1)).join()).join(" ");
    svg.append(svgElement("polyline", { points }));
    for (const [x, y] of places) {
      svg.append(svgElement("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: "4" }));
    }
  }
  return svg;
}

function svgElement(tag: string, attributes: Record<string, string>): SVGElement {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}
