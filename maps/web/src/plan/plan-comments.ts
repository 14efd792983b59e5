// Comments at places of a plan: a list, markers on the map, and a dialog to write one.

import { Marker } from "maplibre-gl";
import { button, element, notify } from "../dom";
import { openFormDialog } from "../form-dialog";
import { formatDateTime, text } from "../locale";
import {
  deleteComment,
  fetchComments,
  type PlanComment,
  postComment,
  resolveComment,
} from "./plan-api";
import type { PlanMap } from "./plan-map";

type Place = [number, number];

export class PlanComments {
  private readonly list = element("ol", {});
  private readonly summary = element("summary", {}, text("plan.comments", { count: 0 }));
  readonly section: HTMLDetailsElement;
  private markers: Marker[] = [];

  constructor(
    private readonly plan: number,
    private readonly view: PlanMap,
    private readonly handlers: { onAdd(): void; showPlace(place: Place): void },
  ) {
    this.section = element(
      "details",
      { class: "comments" },
      this.summary,
      element("p", {}, button(text("plan.comment_add"), handlers.onAdd, { id: "add-comment" })),
      this.list,
    );
  }

  async refresh(): Promise<void> {
    try {
      this.show(await fetchComments(this.plan));
    } catch (error) {
      notify((error as Error).message);
    }
  }

  /** Write a comment at a place. */
  write(place: Place): void {
    const words = element("textarea", { rows: "4", maxlength: "2000", required: "" });
    openFormDialog({
      title: text("plan.comment_add"),
      content: [element("label", {}, text("plan.comment_words"), words)],
      action: text("page.save"),
      confirm: async () => {
        await postComment(this.plan, words.value, place);
        this.section.open = true;
        await this.refresh();
      },
    });
  }

  private show(comments: PlanComment[]): void {
    if (this.view.isClosed) return;
    const open = comments.filter(({ resolved_at }) => resolved_at === null);
    this.summary.textContent = text("plan.comments", { count: open.length });
    for (const marker of this.markers) marker.remove();
    this.markers = open.map((comment, index) => this.marker(comment, index + 1));
    this.list.replaceChildren(...comments.map((comment) => this.row(comment)));
  }

  private marker(comment: PlanComment, number: number): Marker {
    const open = () => {
      this.section.open = true;
      this.list.children[number - 1]?.scrollIntoView({ block: "nearest" });
    };
    const pin = button(String(number), open, { class: "comment-pin", title: comment.words });
    pin.setAttribute("aria-label", `${number}: ${comment.words}`);
    return new Marker({ element: pin }).setLngLat([comment.lon, comment.lat]).addTo(this.view.map);
  }

  private row(comment: PlanComment): HTMLElement {
    const { id, words, author, at, lon, lat, resolved_at, resolved_by } = comment;
    const isResolved = resolved_at !== null;
    const run = (act: () => Promise<unknown>) => () =>
      void act()
        .then(() => this.refresh())
        .catch((error: Error) => notify(error.message));
    const remove = async () => {
      if (confirm(text("plan.comment_delete_question"))) await deleteComment(this.plan, id);
    };
    return element(
      "li",
      isResolved ? { class: "resolved" } : {},
      element("p", {}, words),
      element("small", {}, [author, formatDateTime(at)].filter(Boolean).join(" · ")),
      isResolved ? element("small", {}, text("plan.comment_resolved", { who: resolved_by })) : null,
      element(
        "span",
        { class: "ways" },
        button(text("plan.show_place"), () => this.handlers.showPlace([lon, lat]), {
          class: "quiet",
        }),
        button(
          text(isResolved ? "plan.comment_reopen" : "plan.comment_resolve"),
          run(() => resolveComment(this.plan, id, !isResolved)),
          { class: "quiet" },
        ),
        button(text("plan.discard"), run(remove), { class: "quiet" }),
      ),
    );
  }
}
