// The form by which an office or a grid manager files a case.

import { button, div, element, elementById } from "../dom";
import { text } from "../locale";
import { type Filed, fileCase, idempotencyKey, type Kind, type Kinds } from "./case-api";
import type { CaseMap, Place } from "./case-map";
import { filledFields, photoField } from "./step-form";

const DECIMALS = 6;

export interface FilingOptions {
  kinds: Kinds;
  /** Settles when the map is open. */
  map: Promise<CaseMap>;
  role: string;
  onClose(): void;
}

/** Show the form in the panel; a click on the map sets the place. */
export function showFilingForm({ kinds, map, role, onClose }: FilingOptions): void {
  const panel = elementById("panel");
  const title = text("cases.file_new");
  const said = element("p", { class: "said", role: "alert" });
  const guide = element("small");
  const kind = kindField(kinds.kinds, guide);
  const [lon, lat] = [coordinateField("lon", 180), coordinateField("lat", 90)];
  const submit = element("button", { type: "submit", class: "primary" }, text("cases.submit_case"));
  const setPlace = (place: Place) => {
    lon.value = place.lon.toFixed(DECIMALS);
    lat.value = place.lat.toFixed(DECIMALS);
    void map.then((opened) => opened.mark(place));
  };
  for (const field of [lon, lat]) {
    field.addEventListener("change", () => {
      if (lon.value && lat.value) setPlace({ lon: Number(lon.value), lat: Number(lat.value) });
    });
  }
  const takeCentre = () => void map.then((opened) => setPlace(opened.centre()));
  const words = { name: "description", rows: "4", maxlength: "2000", required: "" };
  const form = element(
    "form",
    { class: "step" },
    element("label", {}, text("case_column.kind"), kind),
    guide,
    element("p", { class: "none" }, text("cases.pin_help")),
    element("label", {}, text("case_column.lon"), lon),
    element("label", {}, text("case_column.lat"), lat),
    button(text("cases.pin_centre"), takeCentre),
    element("label", {}, text("cases.description"), element("textarea", words)),
    optionalField("address", "case_column.address"),
    optionalField("contact", "cases.reporter_contact"),
    photoField(),
    said,
    div("actions", submit, button(text("page.cancel"), onClose)),
  );
  const key = idempotencyKey();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit.disabled = true;
    said.textContent = "";
    const values = filledFields(form);
    values.set("channel", role === "grid_manager" ? "field" : "office");
    fileCase(values, key)
      .then(showFiled)
      .catch((error: Error) => {
        said.textContent = error.message;
        submit.disabled = false;
      });
  });
  panel.hidden = false;
  panel.setAttribute("aria-label", title);
  panel.replaceChildren(
    div(
      "heading",
      element("h1", { tabindex: "-1" }, title),
      button("×", onClose, { class: "quiet close", "aria-label": text("page.cancel") }),
    ),
    form,
  );
  void map.then((opened) => {
    opened.onPlace = setPlace;
    opened.resize();
  });
  kind.focus();
}

/** Show number and secret, which the reporter needs. */
function showFiled({ number, secret }: Filed): void {
  const open = element("a", { href: `/cases/${number}` }, text("cases.open_filed"));
  elementById("panel")
    .querySelector("form")
    ?.replaceWith(
      element(
        "div",
        { class: "filed", role: "status" },
        element("p", {}, element("b", {}, text("cases.filed_as", { number }))),
        element("p", {}, text("cases.secret", { secret })),
        element("p", { class: "none" }, text("cases.secret_help")),
        open,
      ),
    );
  open.focus();
}

function kindField(kinds: Kind[], guide: HTMLElement): HTMLSelectElement {
  const groups = new Map<string, HTMLOptGroupElement>();
  for (const { key, name, group, group_name } of kinds) {
    const box = groups.get(group) ?? element("optgroup", { label: group_name });
    box.append(element("option", { value: key }, name));
    groups.set(group, box);
  }
  const first = element("option", { value: "" }, text("cases.choose_kind"));
  const field = element("select", { name: "kind", required: "" }, first, ...groups.values());
  field.addEventListener("change", () => {
    const documents = kinds.find(({ key }) => key === field.value)?.documents ?? [];
    const fields = { documents: documents.join(text("cases.and")) };
    guide.textContent = documents.length ? text("cases.what_to_bring", fields) : "";
  });
  return field;
}

function coordinateField(name: string, most: number): HTMLInputElement {
  const range = { min: String(-most), max: String(most), step: "any" };
  return element("input", { name, type: "number", required: "", ...range });
}

function optionalField(name: string, key: string): HTMLElement {
  const field = element("input", { name, maxlength: "200", autocomplete: "off" });
  return element("label", {}, `${text(key)} (${text("cases.optional")})`, field);
}
