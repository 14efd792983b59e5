// A case as its reporter sees it: status line, what has happened, what may be added.

import { button, definitionList, div, element, notify } from "../dom";
import { formatDateTime, text } from "../locale";
import { type Field, fieldGroup, photoField, showMessages, textField } from "./fields";
import {
  type FollowUp,
  fetchCase,
  isUnsettled,
  type Message,
  messagesByField,
  OnceSender,
  type Ticket,
} from "./report-api";

const STATUS_LINE = ["filed", "accepted", "handling", "reported", "rated", "archived"] as const;
const DECLINED_LINE = ["filed", "declined"] as const;
/** A step of services alone; in the status line it belongs to the one before. */
const MERGED = { registered: "accepted" } as const;
const RATINGS = [1, 2, 3, 4, 5];

export interface CaseViewOptions {
  /** Show the case again, after a change. */
  show(content: HTMLElement): void;
  leave(): void;
  /** Without fields to type in, as on a terminal without a keyboard. */
  isTouchOnly?: boolean;
}

/** Show a case, and show it again after each change. */
export function caseView(
  ticket: Ticket,
  serviceCase: FollowUp,
  options: CaseViewOptions,
): HTMLElement {
  const { show, leave, isTouchOnly = false } = options;
  const update = (changed: FollowUp) => {
    if (view.isConnected) show(caseView(ticket, changed, options));
  };
  const reload = () => {
    fetchCase(ticket).then(update, (error: Error) => notify(error.message));
  };
  const view = div(
    "case",
    element("h2", { tabindex: "-1" }, `${serviceCase.kind_name} · ${serviceCase.number}`),
    statusLine(serviceCase.state),
    definitionList([
      [text("online.status"), serviceCase.state_name],
      [text("online.handler"), serviceCase.handler_name],
      [text("online.filed"), formatDateTime(serviceCase.filed_at)],
      [text("online.due"), dueText(serviceCase)],
      [text("online.description"), serviceCase.description],
      [text("online.address"), serviceCase.address],
      [
        text("online.your_rating"),
        serviceCase.rating ? text(`online.rating_${serviceCase.rating}`) : "",
      ],
    ]),
    ...(serviceCase.can_rate ? [ratingForm(ticket, update, isTouchOnly)] : []),
    eventList(serviceCase),
    ...(serviceCase.can_add_note && !isTouchOnly ? [noteForm(ticket, update)] : []),
    div("ways", button(text("online.reload"), reload), button(text("online.follow_other"), leave)),
  );
  return view;
}

function dueText({ due_at, is_provisional, is_overdue }: FollowUp): string {
  const notes = [
    is_overdue ? text("page.overdue") : "",
    is_provisional ? text("online.due_provisional") : "",
  ].filter(Boolean);
  return notes.length > 0
    ? `${formatDateTime(due_at)} (${notes.join("; ")})`
    : formatDateTime(due_at);
}

/** The steps of a case up to its state and after it. */
export function statusSteps(state: string): { state: string; position: "done" | "now" | "next" }[] {
  const line: readonly string[] = state === "declined" ? DECLINED_LINE : STATUS_LINE;
  const current = line.indexOf(MERGED[state as keyof typeof MERGED] ?? state);
  return line.map((step, index) => ({
    state: step,
    position: index < current ? "done" : index === current ? "now" : "next",
  }));
}

function statusLine(state: string): HTMLElement {
  const steps = statusSteps(state).map(({ state: step, position }) => {
    const item = element("li", { class: position }, text(`case_state.${step}`));
    if (position === "now") item.setAttribute("aria-current", "step");
    if (position === "done") {
      item.append(element("span", { class: "unseen" }, `, ${text("online.state_done")}`));
    }
    return item;
  });
  return element("ol", { class: "line", "aria-label": text("online.status") }, ...steps);
}

function eventList({ events }: FollowUp): HTMLElement {
  const rows = events.map(({ at, action_name, state_name, note }) =>
    element(
      "li",
      {},
      element("time", { datetime: at }, formatDateTime(at)),
      " ",
      element("b", {}, action_name),
      ` → ${state_name}`,
      note ? element("p", {}, note) : null,
    ),
  );
  return element(
    "section",
    {},
    element("h3", {}, text("online.events")),
    element("ol", { class: "events" }, ...rows),
  );
}

type Update = (changed: FollowUp) => void;

function noteForm(ticket: Ticket, update: Update): HTMLElement {
  const note = textField(text("online.note"), element("textarea"), {
    help: text("online.description_help"),
    maxlength: "2000",
    rows: "3",
  });
  const photos = photoField(text("online.photos"), text("online.photos_help"));
  const fields = { note, photos };
  const read = async () => ({
    fields: { note: note.control.value.trim() },
    photos: await photos.photos(),
  });
  const check = ({ fields: { note } }: Message) =>
    note ? {} : { note: text("online.missing_note") };
  const path = `/reports/${ticket.number}/notes`;
  const act = onceForm(path, ticket, fields, read, check, (changed) => {
    notify(text("online.note_added"), undefined, "calm");
    update(changed);
  });
  return changeForm("online.add_note", "online.send_note", [note, photos], act);
}

function ratingForm(ticket: Ticket, update: Update, isTouchOnly: boolean): HTMLElement {
  const choices = RATINGS.map((value) => {
    const input = element("input", { type: "radio", name: "rating", value: String(value) });
    return element("label", {}, input, text(`online.rating_${value}`));
  });
  const rating = fieldGroup(text("online.rate"), "", ...choices);
  const note = textField(text("online.rating_note"), element("textarea"), {
    maxlength: "2000",
    rows: "2",
  });
  const fields = { rating, note };
  const read = (): Message => {
    const chosen = rating.root.querySelector<HTMLInputElement>("input:checked")?.value ?? "";
    return { fields: { rating: chosen, note: note.control.value.trim() }, photos: [] };
  };
  const check = ({ fields: { rating } }: Message) =>
    rating ? {} : { rating: text("online.missing_rating") };
  const path = `/reports/${ticket.number}/rating`;
  const act = onceForm(path, ticket, fields, read, check, (changed) => {
    notify(text("online.rated"), undefined, "calm");
    update(changed);
  });
  const shown = isTouchOnly ? [rating] : [rating, note];
  return changeForm("online.rate", "online.send_rating", shown, act);
}

function changeForm(
  title: string,
  label: string,
  fields: Field[],
  act: (form: HTMLFormElement) => Promise<void>,
): HTMLFormElement {
  const form = element(
    "form",
    { novalidate: "", "aria-label": text(title) },
    ...fields.map(({ root }) => root),
    element("button", { class: "primary" }, text(label)),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void act(form);
  });
  return form;
}

/** Send what a form holds once; messages go to its fields, and what was typed stays. */
function onceForm(
  path: string,
  ticket: Ticket,
  fields: Record<string, Field>,
  read: () => Message | Promise<Message>,
  check: (message: Message) => Record<string, string>,
  done: Update,
): (form: HTMLFormElement) => Promise<void> {
  const sender = new OnceSender();
  return async (form) => {
    const submit = form.querySelector<HTMLButtonElement>("button.primary")!;
    submit.disabled = true;
    const message = await read();
    submit.disabled = false;
    const missing = check(message);
    showMessages(fields, missing);
    if (Object.keys(missing).length > 0) return;
    submit.disabled = true;
    try {
      done(await sender.send<FollowUp>(path, message, ticket));
    } catch (error) {
      if (isUnsettled(error)) {
        notify(text("online.offline"), {
          label: text("page.try_again"),
          run: () => form.requestSubmit(),
        });
      } else {
        const rest = showMessages(fields, messagesByField(error, message));
        if (rest) notify(rest);
      }
    } finally {
      submit.disabled = false;
    }
  };
}
