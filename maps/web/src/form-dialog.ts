// A dialog with a form: what is asked, a button that does it, and one that leaves it.

import { button, div, element, notify } from "./dom";
import { text } from "./locale";

export interface FormDialogOptions {
  title: string;
  content: (HTMLElement | string)[];
  action: string;
  /** Do what the form asks for; the dialog stays open where it fails. */
  confirm(): Promise<void>;
}

export function openFormDialog({ title, content, action, confirm }: FormDialogOptions): void {
  const submit = element("button", { type: "submit", class: "primary" }, action);
  const form = element(
    "form",
    {},
    element("h2", {}, title),
    ...content,
    div(
      "ways",
      submit,
      button(text("page.cancel"), () => dialog.remove()),
    ),
  );
  const dialog = element("dialog", { "aria-label": title }, form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit.disabled = true;
    confirm()
      .then(() => dialog.remove())
      .catch((error: Error) => {
        submit.disabled = false;
        notify(error.message);
      });
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
