// A dialog with a form: what is asked, a button that does it, and one that leaves it.

import { button, div, element, notify, openDialog } from "./dom";
import { text } from "./locale";

export interface FormDialogOptions {
  title: string;
  content: (HTMLElement | string)[];
  action: string;
  /** Do what the form asks for; the dialog stays open where it fails, or returns false. */
  confirm(): Promise<unknown>;
}

export function openFormDialog(options: FormDialogOptions): HTMLFormElement {
  const { title, content, action, confirm } = options;
  const submit = element("button", { type: "submit", class: "primary" }, action);
  const form = element(
    "form",
    {},
    element("h2", {}, title),
    ...content,
    div(
      "ways",
      submit,
      button(text("page.cancel"), () => dialog.close()),
    ),
  );
  const dialog = element("dialog", { "aria-label": title }, form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit.disabled = true;
    confirm()
      .then((answer) => answer !== false && dialog.close())
      .catch((error: Error) => notify(error.message))
      .finally(() => {
        submit.disabled = false;
      });
  });
  openDialog(dialog);
  return form;
}
