// The assessment page: figures of a month by area, as a ranking, a map and the trend of an area.

import { button, type Choice, div, element, elementById, select } from "../dom";
import { openFile } from "../http";
import { formatDateTime, text } from "../locale";
import { session } from "../session";
import { openStaffPage, runPage } from "../staff-page";
import { showTourOnFirstVisit } from "../tour";
import {
  type Area,
  type Figures,
  type FiguresMap,
  fetchFigures,
  fetchFiguresMap,
  fetchMonths,
  fetchTrend,
  type Indicator,
  type Level,
  type Month,
  SCORE,
} from "./assess-api";
import type { AssessMap } from "./assess-map";
import { figureOf, formatValue } from "./figures";
import { trendSection } from "./trend-chart";
import "../staff-page.css";
import "./assess.css";

const LEVELS: readonly Level[] = ["grid", "community", "street", "district", "city"];

async function start(): Promise<void> {
  const lang = await openStaffPage({
    page: "assess",
    role: ["grid_manager", "office"],
    title: "page.title_assess",
    tour: () => "assess",
  });
  elementById("crumbs").replaceChildren(element("a", { href: "/cases" }, text("page.title_cases")));
  elementById("map").setAttribute("aria-label", text("assess.map"));
  const months = await fetchMonths();
  const page = new AssessPage(months, (choose) =>
    import("./assess-map").then(({ AssessMap }) => AssessMap.create(lang, choose)),
  );
  await page.start();
  showTourOnFirstVisit("assess");
}

class AssessPage {
  private readonly map: Promise<AssessMap>;
  private readonly result = element("div", { class: "result" });
  private readonly trend = element("div");
  private readonly indicatorField = element("select");
  private month: string;
  private level: Level;
  private key: string;
  private figures: Figures | null = null;
  private shapes: FiguresMap | null = null;
  private chosen: string;
  /** Counts the selections, so that a late answer to an earlier one is left unused. */
  private selection = 0;

  constructor(
    private readonly months: Month[],
    openMap: (choose: (code: string) => void) => Promise<AssessMap>,
  ) {
    const query = new URLSearchParams(location.search);
    const month = months.find((one) => one.month === query.get("month")) ?? latestMonth(months);
    this.month = month?.month ?? "";
    this.level = levels().find((level) => level === query.get("level")) ?? "grid";
    this.key = query.get("by") ?? SCORE;
    this.chosen = query.get("area") ?? "";
    this.map = openMap((code) => void this.choose(code));
  }

  async start(): Promise<void> {
    const heading = div("heading", element("h1", {}, text("page.title_assess")));
    if (!this.month) {
      const none = element("p", { class: "none" }, text("assess.no_months"));
      elementById("side").replaceChildren(heading, none);
      return;
    }
    elementById("side").replaceChildren(heading, this.pickers(), this.result, this.trend);
    await this.load();
  }

  private pickers(): HTMLElement {
    const months = this.months.map((one): Choice => {
      const { month } = one;
      return [month, one.frozen_at ? month : text("assess.month_open", { month })];
    });
    const month = select(months, this.month, (value) => {
      this.month = value;
      void this.load();
    });
    const choices = levels().map((one): Choice => [one, text(`case_level.${one}`)]);
    const level = select(choices, this.level, (value) => {
      this.level = value as Level;
      this.chosen = "";
      void this.load();
    });
    this.indicatorField.addEventListener(
      "change",
      () => void this.colourBy(this.indicatorField.value),
    );
    return div(
      "pickers",
      element("label", {}, text("assess.month"), month),
      element("label", {}, text("assess.level"), level),
      element("label", {}, text("assess.indicator"), this.indicatorField),
    );
  }

  /** Read the figures of the month and level, and show them. */
  private async load(): Promise<void> {
    const selection = ++this.selection;
    const { month, level } = this;
    this.result.replaceChildren(element("p", { class: "none" }, text("page.loading")));
    this.trend.replaceChildren();
    try {
      const [figures, shapes] = await Promise.all([
        fetchFigures(month, level),
        fetchFiguresMap(month, level),
      ]);
      if (selection !== this.selection) return;
      [this.figures, this.shapes] = [figures, shapes];
    } catch (error) {
      if (selection !== this.selection) return;
      this.result.replaceChildren(element("p", { class: "trouble" }, (error as Error).message));
      return;
    }
    this.showIndicators(this.figures.indicators);
    this.show();
    const map = await this.map;
    if (selection !== this.selection) return;
    map.fit(this.shapes);
    if (this.chosen) await this.choose(this.chosen);
  }

  private showIndicators(indicators: Indicator[]): void {
    const choices: [string, string][] = [
      [SCORE, text("assess.score")],
      ...indicators.map(({ key, name }): [string, string] => [key, name]),
    ];
    if (!choices.some(([key]) => key === this.key)) this.key = SCORE;
    this.indicatorField.replaceChildren(
      ...choices.map(([value, name]) => element("option", { value }, name)),
    );
    this.indicatorField.value = this.key;
  }

  private show(): void {
    const { figures, shapes, key } = this;
    if (!figures || !shapes) return;
    this.remember();
    this.result.replaceChildren(...this.resultParts(figures));
    void this.map.then((map) => map.show(shapes, key, figures.indicators));
  }

  private resultParts(figures: Figures): HTMLElement[] {
    const { frozen_at, indicators, items } = figures;
    const state = frozen_at
      ? text("assess.frozen", { when: formatDateTime(frozen_at) })
      : text("assess.open_help");
    const note = element("p", { class: "none" }, state);
    if (items.length === 0) {
      return [note, element("p", { class: "none" }, text("assess.none"))];
    }
    return [
      note,
      div("actions", this.fileButton("xlsx"), this.fileButton("pdf")),
      this.table(indicators, items),
      formulaList(indicators),
    ];
  }

  private fileButton(format: "xlsx" | "pdf"): HTMLElement {
    const path = `/assessment/months/${this.month}/table.${format}?level=${this.level}`;
    return button(text(`assess.${format}`), () => void openFile(path));
  }

  private table(indicators: Indicator[], areas: Area[]): HTMLElement {
    const column = (name: string) => element("th", { scope: "col" }, name);
    const head = element(
      "tr",
      {},
      column(text("assess.rank")),
      column(text("assess.area")),
      column(text("assess.score")),
      ...indicators.map(({ name }) => column(name)),
    );
    const rows = areas.map((area) => this.areaRow(area, indicators));
    const table = element(
      "table",
      { class: "card" },
      element("caption", {}, text("assess.ranking")),
      element("thead", {}, head),
      element("tbody", {}, ...rows),
    );
    const region = { class: "scroll", tabindex: "0", role: "region" };
    return element("div", { ...region, "aria-label": text("assess.ranking") }, table);
  }

  private areaRow(area: Area, indicators: Indicator[]): HTMLElement {
    const name = button(area.name || area.code, () => void this.choose(area.code), {
      class: "quiet",
      title: text("assess.choose", { area: area.name || area.code }),
      "data-area": area.code,
    });
    return element(
      "tr",
      area.code === this.chosen ? { class: "chosen" } : {},
      element("td", {}, area.rank === null ? "–" : String(area.rank)),
      element("th", { scope: "row" }, name),
      element("td", {}, formatValue(area.score, undefined)),
      ...indicators.map((indicator) =>
        element("td", {}, formatValue(figureOf(area, indicator.key), indicator)),
      ),
    );
  }

  /** Show the trend of an area. */
  private async choose(code: string): Promise<void> {
    const area = this.figures?.items.find((item) => item.code === code);
    if (!area || !this.figures) return;
    this.chosen = code;
    this.remember();
    for (const row of this.result.querySelectorAll("tbody tr")) {
      row.classList.toggle(
        "chosen",
        row.querySelector("[data-area]")?.getAttribute("data-area") === code,
      );
    }
    void this.map.then((map) => map.choose(code));
    const { selection } = this;
    const trend = await fetchTrend(code);
    if (selection !== this.selection || code !== this.chosen) return;
    this.trend.replaceChildren(trendSection(area, trend, this.key, this.figures.indicators));
    this.trend.scrollIntoView({ block: "nearest" });
  }

  private async colourBy(key: string): Promise<void> {
    this.key = key;
    this.show();
    if (this.chosen) await this.choose(this.chosen);
  }

  /** Keep the selection in the address. */
  private remember(): void {
    const query = new URLSearchParams({ month: this.month, level: this.level, by: this.key });
    if (this.chosen) query.set("area", this.chosen);
    history.replaceState(null, "", `${location.pathname}?${query}${location.hash}`);
  }
}

/** The levels that the reader may see: a grid manager has grids only. */
function levels(): readonly Level[] {
  return session()?.role === "grid_manager" ? ["grid"] : LEVELS;
}

/** The newest closed month, else the newest. */
function latestMonth(months: Month[]): Month | undefined {
  return months.find(({ frozen_at }) => frozen_at !== null) ?? months[0];
}

function formulaList(indicators: Indicator[]): HTMLElement {
  const measure = (key: string) => text(`assessment_measure.${key}`);
  const rows = indicators.map((indicator) => {
    const { numerator, denominator, weight, source } = indicator;
    const fields = { numerator: measure(numerator), denominator: measure(denominator ?? "") };
    const formula = denominator ? text("assess.formula_quotient", fields) : fields.numerator;
    const rest = [text("assess.weight", { weight }), source].filter((part) => part !== "");
    return element("li", {}, element("b", {}, indicator.name), ` ${formula} · ${rest.join(" · ")}`);
  });
  return element(
    "details",
    { class: "formulas" },
    element("summary", {}, text("assess.formulas")),
    element("ul", {}, ...rows),
  );
}

runPage(start);
