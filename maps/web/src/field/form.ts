// Forms whose texts survive the end of the page until they are stored in the outbox.

import { element, notify } from "../dom";
import { text } from "../locale";
import { deleteDraft, readDraft, storeDraft } from "./store";

type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

/** A field with its label; `name` is also the key of the label unless another is given. */
export function field(control: Control, name: string, label = text(`field_app.${name}`)) {
  control.name = name;
  control.id = `field-${name}`;
  return element("label", { for: control.id }, element("span", {}, label), control);
}

export function textArea(attributes: Record<string, string> = {}): HTMLTextAreaElement {
  return element("textarea", { rows: "3", maxlength: "2000", ...attributes });
}

export function input(type: string, attributes: Record<string, string> = {}): HTMLInputElement {
  return element("input", { type, ...attributes });
}

/** A select of values and their texts. */
export function select(options: [string, string][], attributes: Record<string, string> = {}) {
  const items = options.map(([value, label]) => element("option", { value }, label));
  return element("select", attributes, ...items);
}

/**
 * A form that keeps a draft under a name. `submit` stores what was entered; an error it throws is
 * shown, and the form stays as it is.
 */
export async function draftForm(
  name: string,
  children: HTMLElement[],
  submit: (values: Record<string, string>) => Promise<void>,
): Promise<HTMLFormElement> {
  const save = element("button", { type: "submit", class: "primary" }, text("page.save"));
  const form = element("form", { autocomplete: "off" }, ...children, save);
  restore(form, await readDraft(name));
  form.addEventListener("input", () => void storeDraft(name, valuesOf(form)));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    save.disabled = true;
    submit(valuesOf(form))
      .then(() => deleteDraft(name))
      .catch((error: Error) => notify(error.message))
      .finally(() => {
        save.disabled = false;
      });
  });
  return form;
}

function controlsOf(form: HTMLFormElement): Control[] {
  return [...form.elements].filter(
    (one): one is Control => "name" in one && one.name !== "" && (one as Control).type !== "file",
  );
}

function valuesOf(form: HTMLFormElement): Record<string, string> {
  return Object.fromEntries(controlsOf(form).map(({ name, value }) => [name, value]));
}

function restore(form: HTMLFormElement, draft: Record<string, string>): void {
  for (const control of controlsOf(form)) {
    const value = draft[control.name];
    if (value !== undefined) control.value = value;
  }
}
