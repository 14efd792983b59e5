// Watching the server while a plan is edited: for edits by other people, and for the score.

import { notify } from "../dom";
import { isOffline } from "../http";
import { text } from "../locale";
import { session } from "../session";
import type { Draft } from "./draft";
import { fetchLastAuthor, fetchPlan } from "./plan-api";

const POLL_INTERVAL_MS = 4000;
const SCORE_POLL_INTERVAL_MS = 1000;

/** Reload a draft that others edit, and take over its score card, until the signal. */
export function pollDraft(draft: Draft, onScore: () => void, signal: AbortSignal): void {
  const polling = window.setInterval(() => void pollRevision(draft), POLL_INTERVAL_MS);
  const scoring = window.setInterval(() => void pollScore(draft, onScore), SCORE_POLL_INTERVAL_MS);
  signal.addEventListener("abort", () => {
    window.clearInterval(polling);
    window.clearInterval(scoring);
  });
}

/** Take over the figures of the server once it has scored the plan. */
async function pollScore(draft: Draft, onScore: () => void): Promise<void> {
  if (draft.isSaving || !draft.isScoreOutdated || document.hidden) return;
  try {
    if (draft.updateScore(await fetchPlan(draft.plan.id))) onScore();
  } catch (error) {
    if (!isOffline(error)) throw error;
  }
}

async function pollRevision(draft: Draft): Promise<void> {
  if (draft.isSaving || document.hidden) return;
  try {
    const { id } = draft.plan;
    const { revision } = await fetchPlan(id);
    if (draft.isSaving || revision <= draft.plan.revision) return;
    const who = await fetchLastAuthor(id);
    await draft.reload();
    if (who && who !== session()?.name) notify(text("plan.peer", { who }), undefined, "calm");
  } catch (error) {
    if (!isOffline(error)) throw error;
  }
}
