// What was found on site about a building: the list in the panel, and the form to record it.

import { button, element } from "../dom";
import { text } from "../locale";
import type { FireItems, FireItemsRequest, Incident, Layout } from "./fire-api";

const MAX_LENGTH = "500";

type Item = FireItems["items"][number];
type Save = (code: string, request: FireItemsRequest) => void;

/** Every item with what is on record, blanks as not recorded, and a form to fill in. */
export function itemsSection(layout: Layout, save: Save): HTMLElement {
  const section = element("section", { class: "items" });
  const showList = () =>
    section.replaceChildren(
      element("h2", {}, text("building_sheet.items")),
      element("ul", { class: "lines" }, ...layout.items.map(itemLine)),
      button(text("fire.record_items"), showForm),
    );
  const showForm = () => {
    const form = itemsForm(layout, save, showList);
    section.replaceChildren(element("h2", {}, text("building_sheet.items")), form);
    form.querySelector("input")?.focus();
  };
  showList();
  return section;
}

/** What is on record of a building within an incident's radius, in one line. */
export function recordedItems({ items }: Incident["buildings"][number]): string {
  return items.length ? items.map(itemText).join("; ") : text("building_sheet.not_recorded");
}

function itemLine(item: Item): HTMLElement {
  const words = item.value === null ? text("building_sheet.not_recorded") : valueText(item);
  const checked = item.checked_on ? `${item.checked_on} ${item.checked_by ?? ""}` : "";
  return element(
    "li",
    {},
    element("span", {}, element("b", {}, item.title), ` ${words}`),
    checked ? element("small", {}, checked) : null,
  );
}

function itemText(item: Item): string {
  return `${item.title} ${valueText(item)}`;
}

function valueText({ value, place }: Item): string {
  return [value, place].filter(Boolean).join(" · ");
}

function itemsForm(layout: Layout, save: Save, cancel: () => void): HTMLFormElement {
  const fields = layout.items.map((item) => {
    const value = textField(text("fire.item_value_label", { item: item.title }), item.value);
    const place = textField(text("fire.item_place_label", { item: item.title }), item.place);
    place.placeholder = text("building_sheet.item_place");
    return { item, value, place };
  });
  const by = element("input", { maxlength: "100", required: "", autocomplete: "name" });
  const on = element("input", { type: "date", required: "", max: today(), value: today() });
  const form = element(
    "form",
    {},
    ...fields.map(({ item, value, place }) =>
      element("fieldset", {}, element("legend", {}, item.title), value, place),
    ),
    element("label", {}, text("fire.checked_by"), by),
    element("label", {}, text("fire.checked_on"), on),
    element("button", { type: "submit", class: "primary" }, text("page.save")),
    button(text("page.cancel"), cancel),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const changed = fields.filter(
      ({ item, value, place }) =>
        value.value.trim() !== (item.value ?? "") || place.value.trim() !== (item.place ?? ""),
    );
    if (changed.length === 0) return cancel();
    const items = Object.fromEntries(
      changed.map(({ item, value, place }) => [
        item.item,
        { value: value.value, place: place.value },
      ]),
    );
    save(layout.code, { items, checked_by: by.value, checked_on: on.value });
  });
  return form;
}

function textField(label: string, value: string | null): HTMLInputElement {
  return element("input", { "aria-label": label, maxlength: MAX_LENGTH, value: value ?? "" });
}

/** The day of the reader's calendar as YYYY-MM-DD. */
function today(): string {
  const now = new Date();
  const parts = [now.getFullYear(), now.getMonth() + 1, now.getDate()];
  return parts.map((part) => String(part).padStart(2, "0")).join("-");
}
