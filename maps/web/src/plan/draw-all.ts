// Drawing all communities of a list that have no plan, one after another.

import { button, div, element, notify } from "../dom";
import { openFormDialog } from "../form-dialog";
import { readEvents } from "../http";
import { formatNumber, text } from "../locale";
import type { ListedCommunity } from "./community-states";
import { cancelJob, type DrawRequest, fetchJob, type Job, requestDrawing } from "./plan-api";

/** Ask for the limits, then draw; `onDrawn` is called after each community. */
export function openDrawAllDialog(
  communities: ListedCommunity[],
  progress: HTMLElement,
  onDrawn: () => Promise<void>,
): void {
  const fields = (["target", "lower", "upper"] as const).map((name) => {
    const value = { target: "400", lower: "300", upper: "500" }[name];
    const input = element("input", { type: "number", name, value, min: "1", max: "5000" });
    return { name, input, label: element("label", {}, text(`plan.draw_${name}`), input) };
  });
  openFormDialog({
    title: text("plan.draw_all", { count: formatNumber(communities.length) }),
    content: [
      element("p", {}, text("plan.draw_all_help")),
      div("fields", ...fields.map(({ label }) => label)),
    ],
    action: text("plan.draw_go"),
    confirm: async () => {
      const limits = fields.map(({ name, input }) => [name, input.valueAsNumber]);
      const request = { ...Object.fromEntries(limits), fresh: true } as DrawRequest;
      const [first, ...others] = communities;
      if (!first) return;
      // the first request shows whether the server accepts the limits
      const job = await requestDrawing(first.code, request);
      void new DrawAll(progress, onDrawn, communities.length).run(job, others, request);
    },
  });
}

class DrawAll {
  private job: Job | null = null;
  private isCancelled = false;
  private done = 0;
  private readonly failures: string[] = [];

  constructor(
    private readonly progress: HTMLElement,
    private readonly onDrawn: () => Promise<void>,
    private readonly total: number,
  ) {}

  async run(first: Job, others: ListedCommunity[], request: DrawRequest): Promise<void> {
    const closing = (event: Event) => event.preventDefault();
    window.addEventListener("beforeunload", closing);
    try {
      await this.follow(first);
      for (const { code } of others) {
        if (this.isCancelled || !this.progress.isConnected) break;
        await this.follow(await requestDrawing(code, request));
      }
    } catch (error) {
      notify((error as Error).message);
    } finally {
      window.removeEventListener("beforeunload", closing);
      this.progress.replaceChildren(...this.result());
    }
  }

  private async follow(job: Job): Promise<void> {
    this.job = job;
    this.showProgress();
    let last = job;
    await readEvents(`/jobs/${job.id}/events`, (data) => {
      last = data as Job;
      return !isOpen(last);
    });
    const ended = isOpen(last) ? await fetchJob(job.id) : last;
    if (ended.status === "failed") this.failures.push(ended.problem?.detail ?? "");
    this.done += 1;
    await this.onDrawn();
  }

  private showProgress(): void {
    const bar = element("progress", {
      max: String(this.total),
      value: String(this.done),
      "aria-label": text("plan.drawing"),
    });
    const cancel = () => {
      this.isCancelled = true;
      if (this.job) void cancelJob(this.job.id);
    };
    this.progress.replaceChildren(
      element("span", {}, text("plan.draw_all_done", this.counts())),
      bar,
      button(text("page.cancel"), cancel),
    );
  }

  private result(): HTMLElement[] {
    return [
      element("span", {}, text("plan.draw_all_done", this.counts())),
      ...this.failures.filter(Boolean).map((detail) => element("p", { class: "off" }, detail)),
    ];
  }

  private counts() {
    return { done: formatNumber(this.done), total: formatNumber(this.total) };
  }
}

function isOpen({ status }: Job): boolean {
  return status === "queued" || status === "running";
}
