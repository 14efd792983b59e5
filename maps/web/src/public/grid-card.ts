// The card of the selected grid, and the list of communities.

import type { Extent } from "../bounds";
import { button, div, element, elementById } from "../dom";
import { formatNumber, text } from "../locale";
import type {
  Communities,
  Community,
  Grid,
  GridCard,
  Manager,
  PublicCounts,
  Station,
} from "./public-api";

/** The pages for staff. */
const STAFF_PAGES = ["plan", "fire", "data", "cases", "assess"];

export interface CardActions {
  close(): void;
  share(): void;
  print(): void;
}

/** Show a grid; without manager and station until those are loaded. */
export function showGrid(
  grid: Grid & Partial<Pick<GridCard, "manager" | "station" | "micro_grids">>,
  fill: string,
  actions: CardActions,
): void {
  const panel = elementById("panel");
  const close = element("button", { type: "button", class: "close" }, "×");
  close.setAttribute("aria-label", text("page.close"));
  close.addEventListener("click", actions.close);
  const swatch = element("span", { class: "swatch" });
  swatch.style.background = fill;
  const title = grid.name || text("page.grid_number", { serial: grid.serial });
  const focused = panel.contains(document.activeElement) ? document.activeElement : null;
  // the figures are shown first, then again with the manager: the link to share stays
  const link = panel.dataset.grid === grid.code ? panel.querySelector(".share") : null;
  panel.replaceChildren(
    close,
    element("h2", {}, swatch, title),
    element(
      "p",
      { class: "figure" },
      element("b", {}, formatNumber(grid.households)),
      text("page.households_unit", { households: "" }).trim(),
    ),
    ...(grid.manager ? [managerCard(grid.manager)] : []),
    ...(grid.manager === null ? [element("p", { class: "station" }, text("page.no_manager"))] : []),
    ...(grid.station ? [stationLine(grid.station)] : []),
    gridFacts(grid),
    ...[microGridFacts(grid.micro_grids ?? [])].filter((part) => part !== null),
    div(
      "ways",
      button(text("page.share"), actions.share, { class: "share-button" }),
      button(text("page.print"), actions.print, { class: "print-button" }),
    ),
    ...(link ? [link] : []),
  );
  if (focused) (link?.contains(focused) ? (focused as HTMLElement) : close).focus();
  panel.dataset.grid = grid.code;
  panel.hidden = false;
  document.body.classList.add("chosen");
}

export function hidePanel(): void {
  const panel = elementById("panel");
  panel.hidden = true;
  delete panel.dataset.grid; // a manager that is still loading does not open it again
  document.body.classList.remove("chosen");
}

export function showCommunities(
  { features }: Communities,
  onChoose: (extent: Extent) => void,
): void {
  const rows = features.map((feature) => {
    const row = element(
      "button",
      { type: "button", "data-code": feature.properties.code },
      element("span", {}, feature.properties.name),
      element("small", {}, communityFigures(feature.properties)),
    );
    row.addEventListener("click", () => feature.bbox && onChoose(feature.bbox));
    return element("li", {}, row);
  });
  elementById("list").replaceChildren(
    element("h2", {}, text("page.communities")),
    element("ul", {}, ...rows),
    element(
      "footer",
      {},
      `${text("page.for_staff")} `,
      ...STAFF_PAGES.map((name) => element("a", { href: `/${name}` }, text(`page.title_${name}`))),
    ),
  );
}

/** Add counts of the register to the communities in the list. */
export function showRegister(items: PublicCounts[]): void {
  const list = elementById("list");
  for (const counts of items) {
    const row = list.querySelector(`[data-code="${counts.code}"]`);
    const words = registerFigures(counts);
    row?.querySelector(".register")?.remove(); // of an earlier answer
    if (words) row?.append(element("small", { class: "register" }, words));
  }
}

function registerFigures({ residents = null, entities }: PublicCounts): string {
  return [
    residents === null ? "" : text("page.residents", { count: formatNumber(residents) }),
    entities ? text("page.organisations", { count: formatNumber(entities) }) : "",
  ]
    .filter(Boolean)
    .join(" · ");
}

function managerCard({ name, phone, tasks, duties, photo }: Manager): HTMLElement {
  const details = element(
    "div",
    {},
    element("small", {}, text("page.manager")),
    element("b", {}, name),
    ...(phone ? [phoneLink(phone)] : []),
    ...dutyLine("page.tasks", tasks),
    ...dutyLine("page.duties", duties),
  );
  const face = photo
    ? element("img", { src: photo, alt: name })
    : element("span", { class: "face", "aria-hidden": "true" }, name.slice(0, 1));
  return div("manager", face, details);
}

function dutyLine(key: string, value: string): HTMLElement[] {
  return value ? [element("p", {}, element("small", {}, text(key)), value)] : [];
}

function stationLine({ name, phone, address }: Station): HTMLElement {
  const call = phone ? [" · ", phoneLink(phone)] : [];
  const where = address ? [` · ${address}`] : [];
  return element(
    "p",
    { class: "station" },
    element("small", {}, text("page.station")),
    name,
    ...call,
    ...where,
  );
}

function phoneLink(phone: string): HTMLElement {
  return element("a", { href: `tel:${phone.replace(/[^+\d]/g, "")}`, class: "call" }, phone);
}

function gridFacts(grid: Grid): HTMLElement {
  const rows: [string, string][] = [
    ["page.community", grid.community],
    ["page.street", grid.street],
    ["page.grid_code", grid.code],
    ["page.kind", text(`page.kind_${grid.kind}`)],
    ["page.buildings", text("page.buildings_unit", { buildings: formatNumber(grid.buildings) })],
    ["page.plan", text(`page.plan_${grid.status}`, { version: grid.version })],
  ];
  const list = element("dl");
  for (const [key, value] of rows) {
    if (value) list.append(element("dt", {}, text(key)), element("dd", {}, value));
  }
  return list;
}

/** The micro-grids: serial and households of each. */
function microGridFacts(parts: GridCard["micro_grids"]): HTMLElement | null {
  if (parts.length === 0) return null;
  const rows = parts.map(({ serial, households }) => {
    const size = text("page.households_unit", { households: formatNumber(households) });
    return element("li", {}, text("page.micro_grid", { serial, size }));
  });
  const summary = text("page.micro_grids", { count: formatNumber(parts.length) });
  return element(
    "details",
    { class: "parts" },
    element("summary", {}, summary),
    element("ul", {}, ...rows),
  );
}

function communityFigures(community: Community): string {
  if (community.grids === null) return text("page.not_drawn");
  const grids = text("page.grids_unit", { grids: formatNumber(community.grids) });
  const households = formatNumber(community.households ?? 0);
  return `${grids} · ${text("page.households_unit", { households })}`;
}
