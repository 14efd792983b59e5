// Opening a case with its number and secret, as the receipt or its link holds them.

import { element } from "../dom";
import { text } from "../locale";
import { type CaseViewOptions, caseView } from "./case-view";
import { showMessages, textField } from "./fields";
import { fetchCase, messagesByField, type Ticket } from "./report-api";

/** The form that asks for number and secret, and opens the case. */
export function followUpForm(show: (content: HTMLElement) => void, given?: Ticket): HTMLElement {
  const number = textField(text("online.number"), element("input"), {
    inputmode: "numeric",
    maxlength: "20",
  });
  const secret = textField(text("online.secret"), element("input"), {
    maxlength: "30",
    autocapitalize: "characters",
    spellcheck: "false",
  });
  number.control.value = given?.number ?? "";
  secret.control.value = given?.secret ?? "";
  const trouble = element("div", { class: "trouble", role: "alert" });
  const form = element(
    "form",
    { novalidate: "", "aria-label": text("online.tab_follow") },
    element("h2", { tabindex: "-1" }, text("online.tab_follow")),
    element("p", { class: "help" }, text("online.follow_help")),
    number.root,
    secret.root,
    trouble,
    element("button", { class: "primary" }, text("online.follow_show")),
  );
  const open = async () => {
    trouble.textContent = "";
    try {
      const leave = () => show(followUpForm(show));
      const ticket = ticketOf(number.control.value, secret.control.value);
      await openCase(form, ticket, { show, leave });
    } catch (error) {
      const messages = messagesByField(error, { fields: {}, photos: [] });
      trouble.textContent = showMessages({ number, secret }, messages);
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void open();
  });
  if (given) void open();
  return form;
}

/** Read a case and show it, unless `shown` has been replaced meanwhile. */
export async function openCase(
  shown: HTMLElement,
  ticket: Ticket,
  options: CaseViewOptions,
): Promise<void> {
  const serviceCase = await fetchCase(ticket);
  if (shown.isConnected) options.show(caseView(ticket, serviceCase, options));
}

/** Number and secret without the spaces that people type; neither is empty in a request. */
export function ticketOf(number: string, secret: string): Ticket {
  const digits = number.replace(/\D/g, "");
  return { number: digits.padStart(1, "0"), secret: secret.replace(/[\s-]/g, "").toUpperCase() };
}

/** Number and secret in the fragment of a link, or null. */
export function ticketOfLink(hash: string): Ticket | null {
  const values = new URLSearchParams(hash.replace(/^#/, ""));
  const number = values.get("case");
  const secret = values.get("secret");
  return number && secret ? ticketOf(number, secret) : null;
}
