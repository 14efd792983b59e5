// Publishing a plan, with its breaches and a note.

import { button, element, notify } from "../dom";
import { ProblemError } from "../http";
import { text } from "../locale";
import type { Draft } from "./draft";
import { fetchBreaches, publishPlan } from "./plan-api";
import { goTo } from "./route";

export async function openPublishDialog(draft: Draft): Promise<void> {
  const breaches = await fetchBreaches(draft.plan.id);
  const note = element("textarea", { id: "note", rows: "3", maxlength: "500" });
  const dialog = element("dialog", { "aria-label": text("plan.publish") });
  const confirm = button(text("plan.publish"), () => void publish(draft, note.value, dialog), {
    class: "primary",
  });
  const rows = breaches.map(({ detail }) => element("li", {}, detail));
  dialog.append(
    element(
      "h2",
      {},
      text("plan.publish_question", {
        community: draft.plan.community,
        version: draft.plan.version,
      }),
    ),
    element("p", {}, text("plan.publish_means")),
    rows.length ? element("div", { class: "trouble" }, element("ul", {}, ...rows)) : "",
    element("label", { for: "note" }, text("plan.note"), note),
    element(
      "div",
      { class: "ways" },
      confirm,
      button(text("plan.leave_it"), () => dialog.remove()),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

async function publish(draft: Draft, note: string, dialog: HTMLDialogElement): Promise<void> {
  try {
    await publishPlan(draft.plan.id, draft.plan.revision, note);
    dialog.remove();
    notify(text("plan.published"), undefined, "calm");
    goTo(`/plan/c/${draft.plan.community_code}`);
  } catch (error) {
    if (error instanceof ProblemError && error.status === 412) await draft.reload();
    notify((error as Error).message);
  }
}
