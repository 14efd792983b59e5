// The form of a new report, and its draft, which survives a reload of the page.

import { element } from "../dom";
import { text } from "../locale";
import { type Field, photoField, showMessages, textField } from "./fields";
import { type KindField, kindField } from "./kinds";
import type { PlacePicker } from "./place-picker";
import {
  type Filed,
  isUnsettled,
  type Kind,
  type Message,
  messagesByField,
  OnceSender,
} from "./report-api";

const DRAFT_KEY = "gridatlas.report";
/** About a tenth of a metre. */
const DEGREE_DIGITS = 6;

export interface ReportForm {
  root: HTMLFormElement;
  kind: KindField;
  /** Fill in the address of the place that was searched for. */
  setAddress(address: string): void;
  /** Send again what the server did not answer; nothing where all was answered. */
  retry(): void;
}

/** Fields that every channel sends. */
export function reportFields(
  { place }: PlacePicker,
  values: Record<string, string>,
): Record<string, string> {
  const [lon, lat] = place?.map((degrees) => degrees.toFixed(DEGREE_DIGITS)) ?? ["", ""];
  return { lon: lon!, lat: lat!, ...values };
}

/** Messages of fields that are missing. */
function missingFields({ fields }: Message): Record<string, string> {
  const missing: Record<string, string> = {};
  if (!fields.lon) missing.place = text("online.missing_place");
  if (!fields.kind) missing.kind = text("online.missing_kind");
  if (!fields.description) missing.description = text("online.missing_description");
  return missing;
}

export function createReportForm(
  kinds: Kind[],
  picker: PlacePicker,
  placeField: Field,
  done: (filed: Filed) => void,
): ReportForm {
  const kind = kindField(kinds);
  const description = textField(text("online.description"), element("textarea"), {
    help: text("online.description_help"),
    maxlength: "2000",
    rows: "4",
  });
  const address = lineField("online.address", "online.address_help");
  const contact = lineField("online.contact", "online.contact_help");
  const photos = photoField(text("online.photos"), text("online.photos_help"));
  const fields = { place: placeField, kind, description, address, photos, contact };
  const typed = { description, address, contact };
  const submit = element("button", { class: "primary" }, text("online.send"));
  const trouble = element("div", { class: "trouble", role: "alert" });
  const sender = new OnceSender();
  let isUnanswered = false;

  const read = (): Record<string, string> => {
    const values = { kind: kind.value(), channel: "page" } as Record<string, string>;
    for (const [name, { control }] of Object.entries(typed)) values[name] = control.value.trim();
    return reportFields(picker, values);
  };
  const refuse = (messages: Record<string, string>) => {
    const rest = showMessages(fields, messages);
    const count = Object.keys(messages).filter((name) => name in fields).length;
    trouble.textContent = rest || text("online.check_fields", { count });
  };
  const send = async () => {
    submit.disabled = true;
    const message = { fields: read(), photos: await photos.photos() };
    submit.disabled = false;
    const missing = missingFields(message);
    showMessages(fields, missing);
    trouble.textContent = "";
    if (Object.keys(missing).length > 0) return refuse(missing);
    submit.disabled = true;
    submit.textContent = text("online.sending");
    try {
      const filed = await sender.send<Filed>("/reports", message);
      isUnanswered = false;
      forgetDraft();
      done(filed);
    } catch (error) {
      isUnanswered = isUnsettled(error);
      if (isUnanswered) trouble.textContent = text("online.offline");
      else refuse(messagesByField(error, message));
    } finally {
      submit.disabled = false;
      submit.textContent = text(isUnanswered ? "page.try_again" : "online.send");
    }
  };
  const root = element(
    "form",
    { novalidate: "", "aria-label": text("online.title") },
    address.root,
    kind.root,
    description.root,
    photos.root,
    contact.root,
    trouble,
    submit,
  );
  root.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!submit.disabled) void send();
  });
  restoreDraft(kind, typed);
  window.addEventListener("pagehide", () => {
    if (root.isConnected) keepDraft(read());
  });
  return {
    root,
    kind,
    setAddress: (words) => {
      address.control.value = words;
    },
    retry: () => {
      if (isUnanswered && !submit.disabled) void send();
    },
  };
}

function lineField(label: string, help: string) {
  return textField(text(label), element("input"), { help: text(help), maxlength: "200" });
}

/** Keep what was typed for a reload in this tab, as when the language is changed. */
function keepDraft(fields: Record<string, string>): void {
  try {
    sessionStorage.setItem(DRAFT_KEY, JSON.stringify(fields));
  } catch {
    // a browser that blocks storage still sends the report
  }
}

function forgetDraft(): void {
  try {
    sessionStorage.removeItem(DRAFT_KEY);
  } catch {
    // nothing was kept
  }
}

function restoreDraft(
  kind: KindField,
  typed: Record<string, { control: { value: string } }>,
): void {
  let draft: Record<string, string> = {};
  try {
    draft = JSON.parse(sessionStorage.getItem(DRAFT_KEY) ?? "{}");
  } catch {
    return;
  }
  if (draft.kind) kind.choose(draft.kind);
  for (const [name, { control }] of Object.entries(typed)) control.value = draft[name] ?? "";
}

/** The place of the draft that a reload kept. */
export function draftPlace(): [number, number] | null {
  try {
    const { lon, lat } = JSON.parse(sessionStorage.getItem(DRAFT_KEY) ?? "{}");
    return lon && lat ? [Number(lon), Number(lat)] : null;
  } catch {
    return null;
  }
}
