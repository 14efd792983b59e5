// The queue: views, search and filters, the list of cases, and its keys.

import { button, div, element, select } from "../dom";
import { openFile } from "../http";
import { formatDateTime, formatNumber, text } from "../locale";
import type { CaseCounts, CaseSummary, Kinds } from "./case-api";
import {
  type CaseFilter,
  filterQuery,
  isOverdue,
  ORDERS,
  usualOrder,
  viewCount,
  viewsOf,
} from "./case-filter";

const GROUPS = ["component", "event", "dispute", "property", "floating", "service"] as const;
const LEVELS = ["grid", "community", "street", "district", "city"] as const;
const CHANNELS = ["page", "field", "kiosk", "office", "open311"] as const;
const SEARCH_DELAY_MS = 300;

export interface QueueEvents {
  onFilter(filter: CaseFilter): void;
  onMore(): void;
  onFile(): void;
}

/** The parts of the sidebar that change by themselves. */
export class Queue {
  readonly list = element("ol", { class: "queue" });
  private readonly views = element("div", { class: "views", role: "group" });
  private readonly more: HTMLButtonElement;
  private readonly status = element("small", { class: "live", role: "status" });
  private filter: CaseFilter;
  private counts: CaseCounts | null = null;

  constructor(
    private readonly role: string,
    private readonly codes: string[],
    private readonly kinds: Kinds,
    filter: CaseFilter,
    private readonly events: QueueEvents,
  ) {
    this.filter = filter;
    this.more = button(text("cases.more"), () => events.onMore(), { class: "more" });
    this.views.setAttribute("aria-label", text("cases.view"));
    this.list.setAttribute("aria-label", text("cases.list"));
  }

  /** The content of the sidebar. */
  build(): HTMLElement[] {
    this.showViews();
    return [
      div("heading", element("h1", {}, text("page.title_cases"), " ", this.status)),
      this.views,
      this.searchField(),
      this.filterFields(),
      div(
        "actions",
        button(text("cases.file_new"), () => this.events.onFile(), { class: "primary" }),
        button(text("cases.export_csv"), () => this.download("csv")),
        button(text("cases.export_xlsx"), () => this.download("xlsx")),
      ),
      this.list,
      this.more,
      keysHelp(),
    ];
  }

  showCounts(counts: CaseCounts): void {
    this.counts = counts;
    this.showViews();
  }

  showLive(isLive: boolean): void {
    this.status.textContent = text(isLive ? "cases.live" : "cases.offline");
    this.status.classList.toggle("off", !isLive);
  }

  /** Show cases; the focus stays on the case that it is on. */
  show(cases: CaseSummary[], hasMore: boolean, open: string | null): void {
    const focused = this.focusedNumber();
    const rows = new Map(this.rows().map((row) => [row.dataset.number, row]));
    const links = cases.map((serviceCase) => {
      const row = rows.get(serviceCase.number);
      const sign = `${serviceCase.revision} ${isOverdue(serviceCase)}`;
      const link = row?.dataset.sign === sign ? row : caseLink(serviceCase, sign, this.filter);
      if (serviceCase.number === open) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
      return link;
    });
    const none = element("li", { class: "none" }, text("cases.none"));
    const items = links.map((link) => link.closest("li") ?? element("li", {}, link));
    this.list.replaceChildren(...(items.length ? items : [none]));
    this.more.hidden = !hasMore;
    if (focused) this.rowOf(focused)?.focus({ preventScroll: true });
  }

  /** Move the focus through the queue. */
  move(step: 1 | -1): void {
    const rows = this.rows();
    const number =
      this.focusedNumber() ??
      this.list.querySelector<HTMLElement>("[aria-current]")?.dataset.number;
    const index = rows.findIndex((row) => row.dataset.number === number);
    const next = index < 0 ? 0 : Math.max(0, Math.min(index + step, rows.length - 1));
    rows[next]?.focus();
    rows[next]?.scrollIntoView({ block: "nearest" });
    if (next === rows.length - 1 && !this.more.hidden) this.events.onMore();
  }

  focusCase(number: string): void {
    (this.rowOf(number) ?? this.rows()[0])?.focus();
  }

  /** Scroll a case into view. */
  reveal(number: string): void {
    this.rowOf(number)?.scrollIntoView({ block: "nearest" });
  }

  focusSearch(): void {
    document.getElementById("case-search")?.focus();
  }

  private rows(): HTMLElement[] {
    return [...this.list.querySelectorAll<HTMLElement>("a")];
  }

  private rowOf(number: string): HTMLElement | undefined {
    return this.rows().find((row) => row.dataset.number === number);
  }

  private focusedNumber(): string | undefined {
    const active = document.activeElement as HTMLElement | null;
    return active && this.list.contains(active) ? active.dataset.number : undefined;
  }

  private showViews(): void {
    const focused = (document.activeElement as HTMLElement | null)?.dataset.view;
    const buttons = viewsOf(this.role).map((view) => {
      const count = this.counts ? viewCount(view, this.counts) : null;
      const number = count === null ? "" : ` ${formatNumber(count)}`;
      const isChosen = String(view === this.filter.view);
      const attributes = { class: "quiet view", "aria-pressed": isChosen, "data-view": view };
      const choose = () => this.change({ view, order: usualOrder(view) });
      return button(`${text(`cases.view_${view}`)}${number}`, choose, attributes);
    });
    this.views.replaceChildren(...buttons);
    buttons.find((candidate) => candidate.dataset.view === focused)?.focus();
  }

  private searchField(): HTMLElement {
    const label = text("cases.search");
    const attributes = { id: "case-search", type: "search", maxlength: "100", "aria-label": label };
    const field = element("input", { ...attributes, placeholder: label });
    field.value = this.filter.values.q ?? "";
    let timer: number | undefined;
    field.addEventListener("input", () => {
      window.clearTimeout(timer);
      timer = window.setTimeout(() => this.setValue("q", field.value.trim()), SEARCH_DELAY_MS);
    });
    return field;
  }

  private filterFields(): HTMLElement {
    const { values } = this.filter;
    const names = (keys: readonly string[], section: string): [string, string][] =>
      keys.map((key) => [key, text(`${section}.${key}`)]);
    const kinds = this.kinds.kinds.map(({ key, name }): [string, string] => [key, name]);
    const own = this.codes.map((code): [string, string] => [
      code,
      this.codes.length === 1 ? text("cases.with_us") : code,
    ]);
    const details = element(
      "details",
      { class: "filters" },
      element("summary", {}, text("cases.filters")),
      this.selectField("group", "case_column.group", names(GROUPS, "case_group")),
      this.selectField("kind", "case_column.kind", kinds),
      this.selectField("level", "case_column.level", names(LEVELS, "case_level")),
      this.selectField("channel", "case_column.channel", names(CHANNELS, "case_channel")),
      own.length ? this.selectField("handler", "case_column.handler", own) : null,
      this.dateField("filed_from"),
      this.dateField("filed_to"),
      this.orderField(),
      button(text("cases.clear"), () => {
        this.filter = { ...this.filter, values: {} };
        for (const field of details.querySelectorAll<HTMLSelectElement>("[data-filter]"))
          field.value = "";
        const search = document.getElementById("case-search") as HTMLInputElement;
        search.value = "";
        this.change({ values: {} });
      }),
    );
    details.open = Object.keys(values).some((name) => name !== "q");
    return details;
  }

  private selectField(
    name: "group" | "kind" | "level" | "channel" | "handler",
    key: string,
    choices: [string, string][],
  ): HTMLElement {
    const field = select([["", text("cases.any")], ...choices], this.filter.values[name] ?? "");
    field.dataset.filter = name;
    field.addEventListener("change", () => this.setValue(name, field.value));
    return element("label", {}, text(key), field);
  }

  private dateField(name: "filed_from" | "filed_to"): HTMLElement {
    const field = element("input", { type: "date", min: "2000-01-01", max: "2100-12-31" });
    field.value = this.filter.values[name] ?? "";
    field.dataset.filter = name;
    field.addEventListener("change", () => this.setValue(name, field.value));
    return element("label", {}, text(`cases.${name}`), field);
  }

  private orderField(): HTMLElement {
    const choices = ORDERS.map((order): [string, string] => [order, text(`cases.order_${order}`)]);
    const field = select(choices, this.filter.order);
    field.addEventListener("change", () =>
      this.change({ order: field.value as CaseFilter["order"] }),
    );
    return element("label", {}, text("cases.order"), field);
  }

  private setValue(name: keyof CaseFilter["values"], value: string): void {
    const { [name]: _, ...values } = this.filter.values;
    this.change({ values: value ? { ...values, [name]: value } : values });
  }

  private change(changed: Partial<CaseFilter>): void {
    this.filter = { ...this.filter, ...changed };
    this.showViews();
    this.events.onFilter(this.filter);
  }

  private download(format: "csv" | "xlsx"): void {
    void openFile(`/casework/export.${format}?${filterQuery(this.filter)}`);
  }
}

function caseLink(serviceCase: CaseSummary, sign: string, filter: CaseFilter): HTMLElement {
  const when = formatDateTime(serviceCase.due_at);
  const isRunning = serviceCase.closed_at === null && serviceCase.reported_at === null;
  const due = filter.order === "due" || isRunning ? text("page.due", { when }) : "";
  const link = element(
    "a",
    { href: `/cases/${serviceCase.number}`, "data-number": serviceCase.number, "data-sign": sign },
    element("b", {}, serviceCase.kind_name),
    stateBadges(serviceCase),
    element("span", { class: "words" }, serviceCase.description),
    element(
      "small",
      {},
      [serviceCase.handler_name, due, serviceCase.address]
        .filter((part) => part !== "")
        .join(" · "),
    ),
  );
  return link;
}

/** The state of a case and what is special about it. */
export function stateBadges(serviceCase: CaseSummary): HTMLElement {
  const late = isOverdue(serviceCase);
  const badge = (key: string, look = "") =>
    element("span", { class: `badge ${look}` }, text(`cases.${key}`));
  return element(
    "span",
    { class: "badges" },
    element(
      "span",
      { class: `badge ${STATE_LOOKS[serviceCase.state] ?? ""}` },
      serviceCase.state_name,
    ),
    late ? badge("overdue", "high") : null,
    serviceCase.supervised_at ? badge("supervised", "medium") : null,
    serviceCase.offered || serviceCase.offered_department ? badge("offered") : null,
    serviceCase.released_at ? badge("public") : null,
  );
}

const STATE_LOOKS: Partial<Record<CaseSummary["state"], string>> = {
  filed: "draft",
  reported: "done",
  rated: "done",
};

const KEYS_OFF = "gridatlas.cases.keys_off";

/** Whether single keys work; they can be switched off (WCAG 2.1, 2.1.4). */
export const areKeysOn = (): boolean => localStorage.getItem(KEYS_OFF) === null;

function keysHelp(): HTMLElement {
  const tick = element("input", { type: "checkbox" });
  tick.checked = areKeysOn();
  tick.addEventListener("change", () => {
    if (tick.checked) localStorage.removeItem(KEYS_OFF);
    else localStorage.setItem(KEYS_OFF, "yes");
  });
  return element(
    "details",
    { class: "keys" },
    element("summary", {}, text("cases.keys")),
    element("p", {}, text("cases.keys_help")),
    element("label", { class: "tick" }, tick, text("cases.keys_on")),
  );
}
