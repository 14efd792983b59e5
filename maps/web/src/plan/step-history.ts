// The steps of a plan, the newest first; undo or redo up to one of them.

import { button, element, notify } from "../dom";
import { formatDateTime, text } from "../locale";
import type { Draft } from "./draft";
import { fetchEdits, type PlanEdit } from "./plan-api";

export class StepHistory {
  private readonly list = element("ol", { class: "steps" });
  readonly section = element(
    "details",
    { class: "history" },
    element("summary", {}, text("plan.history")),
    this.list,
  );
  private requestedRevision = -1;
  private shownRevision = -1;

  constructor(private readonly draft: Draft) {
    this.section.addEventListener("toggle", () => void this.refresh());
  }

  /** Load the steps again if they are shown and the plan has changed. */
  async refresh(): Promise<void> {
    const { id, revision } = this.draft.plan;
    this.disableOutdated();
    if (!this.section.open || this.draft.isSaving || revision === this.requestedRevision) return;
    this.requestedRevision = revision;
    try {
      const edits = await fetchEdits(id);
      if (revision !== this.requestedRevision) return;
      this.shownRevision = revision;
      this.show(edits);
      this.disableOutdated();
    } catch (error) {
      this.requestedRevision = -1;
      notify((error as Error).message);
    }
  }

  /** Disable the buttons of an older revision: each takes as many steps as were right for that. */
  private disableOutdated(): void {
    const isOutdated = this.draft.isSaving || this.draft.plan.revision !== this.shownRevision;
    for (const step of this.list.querySelectorAll("button")) step.disabled = isOutdated;
  }

  private show(edits: PlanEdit[]): void {
    const rows = edits.map((edit, index) => this.row(edit, edits, index));
    const none = element("li", { class: "none" }, text("plan.no_steps"));
    this.list.replaceChildren(...(rows.length ? rows : [none]));
  }

  private row(edit: PlanEdit, edits: PlanEdit[], index: number): HTMLElement {
    const { kind, author, at, undone } = edit;
    const steps = undone
      ? edits.slice(index).filter((other) => other.undone).length
      : edits.slice(0, index).filter((other) => !other.undone).length;
    const direction = undone ? "redo" : "undo";
    const act = () => void this.step(direction, steps);
    return element(
      "li",
      undone ? { class: "undone" } : {},
      element("b", {}, text(`plan.step_${kind}`)),
      element("small", {}, [author, formatDateTime(at)].filter(Boolean).join(" · ")),
      this.draft.isEditable && steps > 0
        ? button(text(undone ? "plan.redo_to" : "plan.undo_to"), act, { class: "quiet" })
        : null,
    );
  }

  private async step(direction: "undo" | "redo", count: number): Promise<void> {
    for (let step = 0; step < count; step++) await this.draft.step(direction);
  }
}
