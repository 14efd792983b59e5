// The progress of a job, with a button that cancels it.

import { button, element } from "../dom";
import { readEvents } from "../http";
import { formatNumber, text } from "../locale";
import { cancelJob, fetchJob, type Job } from "./plan-api";

/** Show a job's progress; return it when it has ended or is no longer shown. */
export async function waitForJob(job: Job, container: HTMLElement, title: string): Promise<Job> {
  let current = job;
  showProgress(current, container, title);
  if (hasEnded(current)) return current;
  await readEvents(`/jobs/${job.id}/events`, (data) => {
    current = data as Job;
    showProgress(current, container, title);
    return hasEnded(current) || !container.isConnected;
  });
  return hasEnded(current) ? current : fetchJob(job.id);
}

function hasEnded({ status }: Job): boolean {
  return status !== "queued" && status !== "running";
}

function showProgress(
  { id, status, done, total }: Job,
  container: HTMLElement,
  title: string,
): void {
  const bar = element("progress", { max: String(Math.max(total, 1)), "aria-label": title });
  if (total > 0) bar.value = done;
  const steps = total ? ` ${formatNumber(done)}/${formatNumber(total)}` : "";
  container.replaceChildren(
    element("span", {}, status === "queued" ? text("plan.queued") : title, steps),
    bar,
    button(text("page.cancel"), () => void cancelJob(id)),
  );
}
