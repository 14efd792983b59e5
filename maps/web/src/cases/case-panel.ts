// The panel of a case: what it is about, the steps that the reader may take, and its events.

import { button, definitionList, div, element, elementById, notify } from "../dom";
import { openBlob, request } from "../http";
import { formatDateTime, text } from "../locale";
import type { CaseAction, CaseDetails, CaseEvent, Kinds } from "./case-api";
import { fetchContact } from "./case-api";
import { stateBadges } from "./queue";
import { stepForm } from "./step-form";

export interface PanelEvents {
  onClose(): void;
  /** A step has been taken, or the case has changed meanwhile. */
  onStep(changed: CaseDetails): void;
}

/** Show a case in the panel. */
export function showCase(serviceCase: CaseDetails, kinds: Kinds, events: PanelEvents): void {
  const panel = elementById("panel");
  panel.hidden = false;
  panel.setAttribute("aria-label", `${serviceCase.kind_name} ${serviceCase.number}`);
  panel.replaceChildren(
    div(
      "heading",
      element(
        "h1",
        { tabindex: "-1" },
        serviceCase.kind_name,
        " ",
        element("small", {}, serviceCase.number),
      ),
      stateBadges(serviceCase),
      button("×", events.onClose, { class: "quiet close", "aria-label": text("cases.close") }),
    ),
    element(
      "p",
      { class: "words" },
      serviceCase.anonymized_at ? text("cases.anonymized") : serviceCase.description,
    ),
    stepList(serviceCase, kinds, events),
    caseFacts(serviceCase),
    contactButton(serviceCase),
    element("h2", {}, text("cases.events")),
    element(
      "ol",
      { class: "history" },
      ...serviceCase.events.map((event) => eventItem(event, kinds)),
    ),
  );
}

/** Move the focus to the heading of the panel. */
export function focusPanel(): void {
  elementById("panel").querySelector<HTMLElement>("h1")?.focus();
}

export function closePanel(): void {
  const panel = elementById("panel");
  panel.hidden = true;
  panel.replaceChildren();
}

function stepList(serviceCase: CaseDetails, kinds: Kinds, events: PanelEvents): HTMLElement {
  const box = element("section", { class: "steps", "aria-label": text("cases.steps") });
  if (serviceCase.actions.length === 0) {
    box.append(element("p", { class: "none" }, text("cases.no_steps")));
    return box;
  }
  const place = element("div");
  const choose = (action: CaseAction, chosen: HTMLElement) => {
    const cancel = () => {
      place.replaceChildren();
      chosen.setAttribute("aria-expanded", "false");
      chosen.focus();
    };
    for (const other of buttons) other.setAttribute("aria-expanded", String(other === chosen));
    const form = stepForm(serviceCase, action, kinds, { onDone: events.onStep, onCancel: cancel });
    place.replaceChildren(form);
    form.querySelector<HTMLElement>("select, textarea, input, button")?.focus();
  };
  const buttons = serviceCase.actions.map((action, index) => {
    const attributes = { "aria-expanded": "false", ...(index === 0 ? { class: "primary" } : {}) };
    const chosen: HTMLElement = button(action.name, () => choose(action, chosen), attributes);
    return chosen;
  });
  box.append(div("actions", ...buttons), place);
  return box;
}

function caseFacts(serviceCase: CaseDetails): HTMLElement {
  const due = { when: formatDateTime(serviceCase.due_at) };
  const offered = [serviceCase.offered ?? "", serviceCase.offered_department].filter(
    (part) => part !== "",
  );
  const plural = (count: number) => (count > 0 ? String(count) : "");
  return definitionList([
    [text("case_column.address"), serviceCase.address],
    [text("cases.place"), serviceCase.region_name || serviceCase.region],
    [text("cases.grid"), serviceCase.grid ?? ""],
    [text("case_column.handler"), serviceCase.handler_name],
    [text("case_column.department"), serviceCase.department_name],
    [text("cases.offered_to"), offered.join(" · ")],
    [text("case_column.channel"), text(`case_channel.${serviceCase.channel}`)],
    [text("case_column.filed_at"), formatDateTime(serviceCase.filed_at)],
    [
      text("cases.deadline"),
      serviceCase.is_provisional ? text("cases.due_provisional", due) : due.when,
    ],
    [
      text("case_column.closed_at"),
      serviceCase.closed_at ? formatDateTime(serviceCase.closed_at) : "",
    ],
    [
      text("cases.rating"),
      serviceCase.rating ? text("cases.rating_of", { rating: serviceCase.rating }) : "",
    ],
    [text("case_column.escalations"), plural(serviceCase.escalations)],
    [text("case_column.reworks"), plural(serviceCase.reworks)],
  ]);
}

function contactButton(serviceCase: CaseDetails): HTMLElement {
  const box = element("p", { class: "contact", role: "status" });
  if (!serviceCase.can_read_contact) return box;
  const show = async () => {
    const { contact } = await fetchContact(serviceCase.number);
    box.textContent = contact
      ? `${text("cases.contact_is")}: ${contact}`
      : text("cases.no_contact");
  };
  box.append(button(text("cases.contact"), () => void show(), { class: "quiet" }));
  return box;
}

function eventItem(event: CaseEvent, kinds: Kinds): HTMLElement {
  const actors: Record<string, string> = {
    system: text("cases.by_system"),
    reporter: text("cases.by_reporter"),
  };
  const actor = actors[event.role] ?? `${event.actor} (${text(`session.role_${event.role}`)})`;
  return element(
    "li",
    {},
    element("b", {}, event.action_name),
    element(
      "small",
      {},
      element("time", { datetime: event.at }, formatDateTime(event.at)),
      ` · ${actor} · ${event.state_name}`,
    ),
    ...eventValues(event, kinds).map((line) => element("small", {}, line)),
    event.note ? element("p", { class: "words" }, event.note) : null,
    event.photos.length ? photoList(event) : null,
  );
}

/** What a step set, in words. */
function eventValues({ data }: CaseEvent, { kinds, departments }: Kinds): string[] {
  const nameOf = (key: unknown, list: { key: string; name: string }[]) =>
    list.find((item) => item.key === key)?.name ?? String(key);
  const lines: string[] = [];
  if (data.kind) lines.push(nameOf(data.kind, kinds));
  if (data.to) lines.push(text("cases.set_to", { to: String(data.to) }));
  if (data.department && data.to) lines.push(nameOf(data.department, departments));
  if (data.rating) lines.push(text("cases.rating_of", { rating: Number(data.rating) }));
  if (data.due_at) {
    lines.push(text("cases.set_due", { when: formatDateTime(String(data.due_at)) }));
  }
  return lines;
}

function photoList(event: CaseEvent): HTMLElement {
  const pictures = event.photos.map((path, index) => {
    const fields = { number: index + 1, action: event.action_name };
    const picture = element("img", { alt: text("cases.photo", fields) });
    const open = button(picture, () => void openPhoto(path), { class: "quiet photo" });
    void loadPhoto(picture, path);
    return open;
  });
  return div("photos", ...pictures);
}

async function loadPhoto(picture: HTMLImageElement, path: string): Promise<void> {
  const url = URL.createObjectURL(await (await request(path)).blob());
  picture.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
  picture.src = url;
}

async function openPhoto(path: string): Promise<void> {
  try {
    openBlob(await (await request(path)).blob(), null);
  } catch (error) {
    notify((error as Error).message);
  }
}
