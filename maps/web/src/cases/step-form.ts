// The form of a step: the fields that the API requires for it, a note and photos.

import { button, div, element, notify, select } from "../dom";
import { ProblemError } from "../http";
import { text } from "../locale";
import {
  type CaseAction,
  type CaseDetails,
  fetchCase,
  fetchGridCodes,
  idempotencyKey,
  type Kinds,
  takeStep,
} from "./case-api";

/** Steps whose notes the reporter reads. */
const PUBLIC_NOTES = ["decline", "report_back"];
/** Digits of the divisions above a case: community, street, district, city. */
const DIVISION_DIGITS: [number, string][] = [
  [12, "community"],
  [9, "street"],
  [6, "district"],
  [4, "city"],
];
const MAX_NOTE_LENGTH = 2000;
const RATINGS = [5, 4, 3, 2, 1];
const CHANGED_MEANWHILE = [409, 412];

export interface StepEvents {
  onDone(changed: CaseDetails): void;
  onCancel(): void;
}

export function stepForm(
  serviceCase: CaseDetails,
  action: CaseAction,
  kinds: Kinds,
  { onDone, onCancel }: StepEvents,
): HTMLFormElement {
  const said = element("p", { class: "said", role: "alert" });
  const words = text("cases.submit", { action: action.name });
  const submit = element("button", { type: "submit", class: "primary" }, words);
  const requires = (name: string) => action.required.includes(name);
  const form = element(
    "form",
    { class: "step" },
    ...(requires("kind") ? [kindField(serviceCase, kinds)] : []),
    ...(requires("to") ? targetFields(serviceCase, kinds) : []),
    ...(requires("rating") ? [ratingField()] : []),
    noteField(action, requires("note")),
    photoField(),
    said,
    div("actions", submit, button(text("page.cancel"), onCancel)),
  );
  const key = idempotencyKey();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit.disabled = true;
    said.textContent = "";
    void send(serviceCase, action, formValues(form, serviceCase, action), key, onDone)
      .catch((error: Error) => {
        said.textContent = error.message;
      })
      .finally(() => {
        submit.disabled = false;
      });
  });
  return form;
}

async function send(
  serviceCase: CaseDetails,
  action: CaseAction,
  values: FormData,
  key: string,
  onDone: (changed: CaseDetails) => void,
): Promise<void> {
  try {
    onDone(await takeStep(serviceCase.number, values, key));
    notify(text("cases.done", { action: action.name }), undefined, "calm");
  } catch (error) {
    if (!(error instanceof ProblemError) || !CHANGED_MEANWHILE.includes(error.status)) throw error;
    const current = await fetchCase(serviceCase.number);
    if (current.revision === serviceCase.revision) throw error;
    onDone(current);
    notify(text("cases.changed_meanwhile"));
  }
}

/** What is sent: fields that were filled in, the action and the revision that was seen. */
function formValues(form: HTMLFormElement, serviceCase: CaseDetails, action: CaseAction): FormData {
  const values = filledFields(form);
  values.set("action", action.action);
  values.set("revision", String(serviceCase.revision));
  return values;
}

/** The fields of a form that are not empty. */
export function filledFields(form: HTMLFormElement): FormData {
  const values = new FormData();
  for (const [name, value] of new FormData(form)) {
    const isEmpty = typeof value === "string" ? value.trim() === "" : value.size === 0;
    if (!isEmpty) values.append(name, typeof value === "string" ? value.trim() : value);
  }
  return values;
}

function kindField(serviceCase: CaseDetails, { kinds }: Kinds): HTMLElement {
  const choices = kinds
    .filter(({ flow }) => flow === serviceCase.flow)
    .map(({ key, name }): [string, string] => [key, name]);
  const field = select(choices, serviceCase.kind);
  field.name = "kind";
  field.required = true;
  return element("label", {}, text("case_column.kind"), field);
}

function targetFields(serviceCase: CaseDetails, { departments }: Kinds): HTMLElement[] {
  const list = element("datalist", { id: "targets" }, ...divisionOptions(serviceCase));
  void fetchGridCodes(serviceCase.region).then((codes) => {
    const level = text("case_level.grid");
    list.append(
      ...codes.map((value) => element("option", { value }, `${level} ${value.slice(12)}`)),
    );
  });
  const field = element("input", {
    ...{ name: "to", list: "targets", autocomplete: "off", inputmode: "numeric" },
    ...{ pattern: "[0-9]{12}|[0-9]{15}", title: text("cases.to_help") },
  });
  const choices = departments.map(({ key, name }): [string, string] => [key, name]);
  const department = select([["", text("cases.department_unchanged")], ...choices], "");
  department.name = "department";
  return [
    element("label", {}, text("cases.to"), field),
    list,
    element("small", {}, text("cases.to_help")),
    element("label", {}, text("case_column.department"), department),
  ];
}

function divisionOptions({ region, region_name }: CaseDetails): HTMLElement[] {
  return DIVISION_DIGITS.map(([digits, level]) => {
    const value = region.slice(0, digits).padEnd(12, "0");
    const name = level === "community" ? ` ${region_name}` : "";
    return element("option", { value }, `${text(`case_level.${level}`)}${name}`);
  });
}

function ratingField(): HTMLElement {
  const choices = RATINGS.map((rating): [string, string] => [
    String(rating),
    text("cases.rating_of", { rating }),
  ]);
  const field = select(choices, "5");
  field.name = "rating";
  return element("label", {}, text("cases.rating"), field);
}

function noteField({ action }: CaseAction, isRequired: boolean): HTMLElement {
  const field = element("textarea", {
    ...{ name: "note", rows: "3", maxlength: String(MAX_NOTE_LENGTH) },
    ...(isRequired ? { required: "" } : {}),
  });
  const key = PUBLIC_NOTES.includes(action) ? "cases.note_public" : "cases.note";
  const optional = isRequired ? "" : ` (${text("cases.optional")})`;
  return element("label", {}, `${text(key)}${optional}`, field);
}

/** A field for photos, which are optional. */
export function photoField(): HTMLElement {
  const field = element("input", {
    ...{ name: "photos", type: "file", multiple: "" },
    accept: "image/jpeg,image/png,image/webp",
  });
  return element("label", {}, `${text("cases.photos")} (${text("cases.optional")})`, field);
}
