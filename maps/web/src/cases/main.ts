// The page of cases: the queue, the map and the panel of a case, kept current by the server's events.

import { delay, element, elementById, notify, waitForPaintedText } from "../dom";
import { isOffline } from "../http";
import { text } from "../locale";
import { session } from "../session";
import { followLinks, openStaffPage, runPage } from "../staff-page";
import { showTourOnFirstVisit } from "../tour";
import {
  type CaseDetails,
  type CaseSummary,
  fetchCase,
  fetchCases,
  fetchCounts,
  fetchKinds,
  fetchMe,
  fetchPoints,
  followChanges,
  type Kinds,
  PAGE_SIZE,
} from "./case-api";
import {
  type CaseFilter,
  filterAddress,
  filterQuery,
  matchesFilter,
  mergeChanged,
  parseFilter,
} from "./case-filter";
import type { CaseMap } from "./case-map";
import { closePanel, focusPanel, showCase } from "./case-panel";
import { showFilingForm } from "./filing-form";
import { areKeysOn, Queue } from "./queue";
import "../staff-page.css";
import "./cases.css";

const ROLES = ["grid_manager", "office"];
const RECONNECT_INTERVAL_MS = 2000;
const COUNTS_INTERVAL_MS = 3000;
const MAX_PAGE_SIZE = 500;
const NARROW = "(max-width: 899px)";

async function start(): Promise<void> {
  const lang = await openStaffPage({
    page: "cases",
    role: ROLES,
    title: "page.title_cases",
    tour: () => "cases",
  });
  const link = element("a", { href: "/assess" }, text("page.title_assess"));
  elementById("crumbs").replaceChildren(link);
  const role = session()!.role;
  const filter = parseFilter(location.search, role);
  const firstPage = fetchCases(filterQuery(filter), filter.order);
  const [kinds, me] = await Promise.all([fetchKinds(), fetchMe()]);
  const codes = me.role === "office" ? [me.scope.padEnd(12, "0")] : me.grids;
  const page = new CasePage(role, codes, kinds, filter);
  await page.start(firstPage, (open) =>
    import("./case-map").then(({ CaseMap }) => CaseMap.create(lang, open)),
  );
  showTourOnFirstVisit("cases");
}

class CasePage {
  private readonly queue: Queue;
  private readonly map: Promise<CaseMap>;
  private resolveMap!: (map: Promise<CaseMap>) => void;
  private cases: CaseSummary[] = [];
  private next: string | null = null;
  private opened: CaseDetails | null = null;
  /** Number of the last request for the list, so that late answers to earlier ones are ignored. */
  private query = 0;
  /** Number of the last request for the cases on the map. */
  private pointsQuery = 0;
  /** Number of the last choice of what the panel shows. */
  private caseQuery = 0;
  /** Changes that arrive while a list is read, by the request for it. */
  private readonly laterChanges = new Set<CaseSummary[]>();
  private isLoadingMore = false;
  private hasReadPoints = false;
  private areCountsDue = false;
  private isReadingCounts = false;

  constructor(
    private readonly role: string,
    codes: string[],
    private readonly kinds: Kinds,
    private filter: CaseFilter,
  ) {
    this.queue = new Queue(role, codes, kinds, filter, {
      onFilter: (changed) => void this.setFilter(changed),
      onMore: () => void this.loadMore(),
      onFile: () => this.openFiling(),
    });
    elementById("side").replaceChildren(...this.queue.build());
    elementById("map").setAttribute("aria-label", text("cases.map"));
    this.map = new Promise((resolve) => {
      this.resolveMap = resolve;
    });
  }

  /** Show the first page of the queue, then open the map, whose code is large. */
  async start(
    firstPage: ReturnType<typeof fetchCases>,
    openMap: (open: (number: string) => void) => Promise<CaseMap>,
  ): Promise<void> {
    const page = await firstPage;
    [this.cases, this.next] = [page.items, page.next];
    this.showQueue();
    void waitForPaintedText().then(() =>
      this.resolveMap(openMap((number) => this.navigate(`/cases/${number}`))),
    );
    document.addEventListener("keydown", (event) => this.handleKey(event));
    followLinks("/cases", (path) => this.navigate(path));
    window.addEventListener("popstate", () => void this.showAddress());
    void this.follow();
    await this.showAddress();
    await delay(RECONNECT_INTERVAL_MS);
    // the first event of the stream has the points read; without a stream they are read here
    if (!this.hasReadPoints) await this.loadPoints();
  }

  /** Follow changes as long as the page is open; connect again after a loss. */
  private async follow(): Promise<void> {
    for (;;) {
      try {
        await followChanges((changed) => {
          this.queue.showLive(true);
          if (changed) this.merge(changed);
          else void this.reload();
        });
      } catch (error) {
        if (!isOffline(error)) console.info((error as Error).message);
      }
      this.queue.showLive(false);
      await delay(RECONNECT_INTERVAL_MS);
    }
  }

  /** The answer to a request for cases, and the changes that arrived meanwhile: it may lack them. */
  private async withChanges<Body>(request: Promise<Body>): Promise<[Body, CaseSummary[]]> {
    const changes: CaseSummary[] = [];
    this.laterChanges.add(changes);
    try {
      return [await request, changes];
    } finally {
      this.laterChanges.delete(changes);
    }
  }

  private merge(changed: CaseSummary): void {
    for (const changes of this.laterChanges) changes.push(changed);
    this.cases = mergeChanged(this.cases, changed, this.filter, this.next !== null);
    this.showQueue();
    void this.map.then((map) => map.merge(changed, matchesFilter(changed, this.filter)));
    void this.refreshCounts();
    const { opened } = this;
    if (opened?.number === changed.number && opened.revision < changed.revision) {
      void this.openCase(changed.number, false);
    }
  }

  /** Read again what is shown. */
  private async reload(): Promise<void> {
    const query = ++this.query;
    const limit = Math.min(Math.max(PAGE_SIZE, this.cases.length), MAX_PAGE_SIZE);
    const { order } = this.filter;
    const request = fetchCases(filterQuery(this.filter), order, "", limit);
    const [page, changes] = await this.withChanges(request);
    if (query !== this.query) return;
    [this.cases, this.next] = [page.items, page.next];
    for (const changed of changes) {
      this.cases = mergeChanged(this.cases, changed, this.filter, this.next !== null);
    }
    this.showQueue();
    void this.refreshCounts();
    await this.loadPoints();
  }

  private async loadPoints(): Promise<void> {
    this.hasReadPoints = true;
    const { filter } = this;
    const map = await this.map;
    map.onStale = () => void this.loadPoints();
    const query = ++this.pointsQuery;
    const view = map.view();
    const [points, changes] = await this.withChanges(fetchPoints(filterQuery(filter), view));
    if (filter !== this.filter || query !== this.pointsQuery) return;
    map.show(points);
    for (const changed of changes) map.merge(changed, matchesFilter(changed, filter));
    if (map.isPartial() && map.view().bbox !== view.bbox) await this.loadPoints();
  }

  private async loadMore(): Promise<void> {
    if (this.isLoadingMore || this.next === null) return;
    this.isLoadingMore = true;
    const { query } = this;
    try {
      const page = await fetchCases(filterQuery(this.filter), this.filter.order, this.next);
      if (query !== this.query) return;
      const known = new Set(this.cases.map(({ number }) => number));
      this.cases = [...this.cases, ...page.items.filter(({ number }) => !known.has(number))];
      this.next = page.next;
      this.showQueue();
    } finally {
      this.isLoadingMore = false;
    }
  }

  /** Read the counts, at most once in an interval. */
  private async refreshCounts(): Promise<void> {
    this.areCountsDue = true;
    if (this.isReadingCounts) return;
    this.isReadingCounts = true;
    try {
      while (this.areCountsDue) {
        this.areCountsDue = false;
        this.queue.showCounts(await fetchCounts());
        await delay(COUNTS_INTERVAL_MS);
      }
    } finally {
      this.isReadingCounts = false;
    }
  }

  private async setFilter(filter: CaseFilter): Promise<void> {
    this.filter = filter;
    this.cases = [];
    history.replaceState(null, "", location.pathname + filterAddress(filter) + location.hash);
    await this.reload();
  }

  private navigate(path: string): void {
    history.pushState(null, "", path + filterAddress(this.filter) + location.hash);
    void this.showAddress();
  }

  private async showAddress(): Promise<void> {
    const number = /^\/cases\/([0-9]+)$/.exec(location.pathname)?.[1];
    if (number) await this.openCase(number, true);
    else this.close();
  }

  private async openCase(number: string, isNew: boolean): Promise<void> {
    const query = isNew ? ++this.caseQuery : this.caseQuery;
    try {
      const serviceCase = await fetchCase(number);
      if (query !== this.caseQuery) return;
      if (isNew || this.isNewer(serviceCase)) this.show(serviceCase, isNew);
    } catch (error) {
      if (query === this.caseQuery) notify((error as Error).message);
    }
  }

  /** Whether a case replaces the one in the panel, unless something is being typed there. */
  private isNewer({ number, revision }: CaseDetails): boolean {
    // the server refuses a step on an old revision
    const isTyping = elementById("panel").querySelector("form") !== null;
    const { opened } = this;
    return !isTyping && opened?.number === number && opened.revision < revision;
  }

  private show(serviceCase: CaseDetails, isNew: boolean): void {
    this.opened = serviceCase;
    showCase(serviceCase, this.kinds, {
      onClose: () => this.leave(),
      onStep: (changed) => {
        this.show(changed, true);
        this.merge(changed);
      },
    });
    this.showQueue();
    if (isNew) {
      this.queue.reveal(serviceCase.number);
      focusPanel();
    }
    void this.map.then((map) => {
      map.onPlace = null;
      map.resize();
      map.mark(serviceCase);
      if (isNew && !window.matchMedia(NARROW).matches) map.reveal(serviceCase);
    });
  }

  private openFiling(): void {
    this.caseQuery += 1;
    this.opened = null;
    this.showQueue();
    showFilingForm({
      kinds: this.kinds,
      map: this.map,
      role: this.role,
      onClose: () => this.leave(),
    });
  }

  /** Close the panel; the focus returns to where it was opened. */
  private leave(): void {
    const number = this.opened?.number;
    history.pushState(null, "", `/cases${filterAddress(this.filter)}${location.hash}`);
    this.close();
    this.queue.focusCase(number ?? "");
  }

  private close(): void {
    this.caseQuery += 1;
    this.opened = null;
    closePanel();
    this.showQueue();
    void this.map.then((map) => {
      map.onPlace = null;
      map.mark(null);
      map.resize();
    });
  }

  private showQueue(): void {
    this.queue.show(this.cases, this.next !== null, this.opened?.number ?? null);
  }

  private handleKey(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey || target.closest("dialog, .tour")) return;
    const isOpen = !elementById("panel").hidden;
    if (event.key === "Escape" && isOpen) this.leave();
    if (target.closest("input, select, textarea, #map") || !areKeysOn()) return;
    const isInPanel = elementById("panel").contains(target);
    const steps: Record<string, 1 | -1> = { j: 1, k: -1 };
    if (!isInPanel) Object.assign(steps, { ArrowDown: 1, ArrowUp: -1 });
    const step = steps[event.key];
    if (step) this.queue.move(step);
    else if (event.key === "/") this.queue.focusSearch();
    else return;
    event.preventDefault();
  }
}

runPage(start);
