// Which communities have too many or too few households for their grids next year.

import { element } from "../dom";
import { formatNumber, text } from "../locale";
import { percent } from "./draft-queue";
import { fetchOutlook, type Outlook } from "./plan-api";

const MISFITS = new Set<Outlook["fit"]>(["too_many", "too_few"]);

/** A section that loads its table when it is opened first. */
export function outlookSection(region: string): HTMLElement {
  const content = element("div", { role: "status" });
  const section = element(
    "details",
    { class: "outlook" },
    element("summary", {}, text("plan.outlook")),
    content,
  );
  section.addEventListener("toggle", () => {
    if (section.open && !content.childElementCount) void fill(content, region);
  });
  return section;
}

/** Communities whose grids will not fit first, the others in the order of their codes. */
export function misfitsFirst(rows: Outlook[]): Outlook[] {
  const isMisfit = ({ fit_next_year }: Outlook) => Number(MISFITS.has(fit_next_year));
  return rows.toSorted((one, other) => isMisfit(other) - isMisfit(one));
}

/** The number of grids that next year's households need, such as "4–6"; empty if unknown. */
export function neededGrids({ fewest_grids, most_grids }: Outlook): string {
  if (fewest_grids === null || most_grids === null) return "";
  return fewest_grids === most_grids ? `${fewest_grids}` : `${fewest_grids}–${most_grids}`;
}

async function fill(content: HTMLElement, region: string): Promise<void> {
  content.replaceChildren(element("p", { class: "none" }, text("page.loading")));
  try {
    const { items } = await fetchOutlook(region);
    content.replaceChildren(
      element("p", { class: "none" }, text("plan.outlook_method")),
      outlookTable(misfitsFirst(items)),
    );
  } catch (error) {
    content.replaceChildren(element("p", { class: "said" }, (error as Error).message));
  }
}

function outlookTable(rows: Outlook[]): HTMLElement {
  const titles = ["community", "now", "next_year", "grids", "needed"];
  const head = titles.map((name) => element("th", { scope: "col" }, text(`plan.outlook_${name}`)));
  return element(
    "table",
    { class: "card" },
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...rows.map(outlookRow)),
  );
}

function outlookRow(row: Outlook): HTMLElement {
  const { code, name, grids, households, next_year, fit, fit_next_year } = row;
  const verdict = next_year === null && MISFITS.has(fit) ? fit : fit_next_year;
  const badge = MISFITS.has(verdict) ? "badge stale" : "";
  return element(
    "tr",
    {},
    element(
      "th",
      { scope: "row" },
      element("a", { href: `/plan/c/${code}` }, name || code),
      element("small", { class: badge }, ` ${text(`plan.fit_${verdict}`)}`),
      registerFigures(row),
    ),
    element("td", {}, formatNumber(households)),
    element("td", {}, next_year === null ? "—" : formatNumber(next_year)),
    element("td", {}, grids === null ? "—" : formatNumber(grids)),
    element("td", {}, neededGrids(row) || "—"),
  );
}

function registerFigures({ residents, verified_share }: Outlook): HTMLElement | null {
  if (residents === null) return null;
  const share = percent(verified_share ?? 0);
  const words = text("plan.outlook_residents", { residents: formatNumber(residents), share });
  return element("small", {}, words);
}
