// The views that capture: cases, visits, verifications and duties.

import type { Polygon } from "geojson";
import type { Map as LibreMap } from "maplibre-gl";

import { meanCorner } from "../bounds";
import { button, div, element, notify } from "../dom";
import { text } from "../locale";
import { draftForm, field, input, select, textArea } from "./form";
import { capture, serverTime } from "./outbox";
import { encodePhotos, MAX_PHOTOS } from "./photos";
import type { Bundle, Dwelling, FieldCase } from "./types";
import { COUNTS, heading, nameOf, type View, waiting } from "./views";

const TOPICS = [
  ...["greeting", "conditions", "opinion", "dispute"],
  ...["safety", "policy", "help", "other"],
];
const POSITION_TIMEOUT_MS = 20_000;
const OCCUPANCIES = ["", "owner", "rented", "vacant", "business"];

/** Called when something was stored in the outbox, with the view to go to. */
export type OnStored = (hash: string) => void;

/** The form of a case; its place is the middle of the small map. */
export async function caseForm(bundle: Bundle, buildingCode: string, onStored: OnStored) {
  const { createFieldMap } = await import("./map-view");
  const kind = kindSelect(bundle);
  const box = element("div", { class: "place", role: "application" });
  box.setAttribute("aria-label", text("field_app.place"));
  const building = select(
    [
      ["", text("field_app.choose_building")],
      ...bundle.buildings.map(({ code, name }): [string, string] => [code, name || code]),
    ],
    {},
  );
  const photos = input("file", { accept: "image/*", multiple: "" });
  const place = input("hidden");
  place.name = "place";
  let map: LibreMap | undefined;
  const moveTo = (center: [number, number]) => {
    place.value = center.map((degrees) => degrees.toFixed(7)).join(" ");
    place.form?.dispatchEvent(new Event("input"));
    map?.jumpTo({ center, zoom: Math.max(map.getZoom(), 18) });
  };
  building.addEventListener("change", () => {
    const chosen = bundle.buildings.find(({ code }) => code === building.value);
    if (chosen) moveTo(meanCorner(chosen.geometry as Polygon));
  });
  let position: Promise<unknown> | undefined;
  const locate = button(text("page.here"), () => {
    const before = place.value;
    // another place may be chosen before the position arrives
    position = findPosition((found) => place.value === before && moveTo(found));
  });
  const children = [
    field(kind, "kind"),
    field(textArea({ required: "" }), "description"),
    field(building, "building"),
    div("actions", locate),
    box,
    place,
    field(input("text", { maxlength: "200" }), "address"),
    field(photos, "photos", text("field_app.photos", { most: MAX_PHOTOS })),
  ];
  const form = await draftForm(`case ${buildingCode}`, children, async (values) => {
    await position; // which may arrive after the button to save was pressed
    const [lon, lat] = (place.value || centreOf(map)).split(" ").map(Number);
    if (lon === undefined || lat === undefined) throw new Error(text("field_app.place_missing"));
    await capture({
      kind: "case",
      title: kind.selectedOptions[0]!.text,
      fields: {
        kind: values.kind,
        description: values.description,
        address: values.address,
        lon,
        lat,
      },
      photos: await encodePhotos([...(photos.files ?? [])]).catch(() => {
        throw new Error(text("field_app.photo_unreadable"));
      }),
    });
    onStored("#cases");
  });
  if (buildingCode) building.value = buildingCode;
  const start = () => {
    map = createFieldMap(box, bundle);
    const [lon, lat] = place.value.split(" ").map(Number);
    if (lon && lat) map.jumpTo({ center: [lon, lat], zoom: 18 });
    else if (building.value) building.dispatchEvent(new Event("change"));
    map.on("dragend", () => {
      place.value = centreOf(map);
      form.dispatchEvent(new Event("input"));
    });
    return map;
  };
  const note = text("field_app.place_note");
  return { view: [heading(text("field_app.new_case"), note), form], start };
}

function centreOf(map: LibreMap | undefined): string {
  const centre = map?.getCenter();
  return centre ? `${centre.lng.toFixed(7)} ${centre.lat.toFixed(7)}` : "";
}

/** Settles when the position is found or cannot be found. */
function findPosition(found: (place: [number, number]) => unknown): Promise<unknown> {
  return new Promise((resolve) => {
    // the device's own limit begins only when the person has allowed or refused
    setTimeout(resolve, POSITION_TIMEOUT_MS);
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => resolve(found([coords.longitude, coords.latitude])),
      () => resolve(notify(text("field_app.no_position"))),
      { enableHighAccuracy: true, timeout: POSITION_TIMEOUT_MS },
    );
  });
}

function kindSelect({ kinds }: Bundle): HTMLSelectElement {
  const groups = new Map<string, HTMLOptGroupElement>();
  for (const { key, name, group_name } of kinds) {
    if (!groups.has(group_name)) groups.set(group_name, element("optgroup", { label: group_name }));
    groups.get(group_name)!.append(element("option", { value: key }, name));
  }
  return element("select", { required: "" }, ...groups.values());
}

/** The form of a step of a case that needs no more than a note; null if there is none. */
export async function stepForm(
  serviceCase: FieldCase,
  onStored: OnStored,
): Promise<HTMLElement | null> {
  const simple = serviceCase.actions.filter(({ required }) =>
    required.every((name) => name === "note"),
  );
  if (!simple.length) return null;
  const action = select(simple.map(({ action, name }): [string, string] => [action, name]));
  const note = textArea();
  const photos = input("file", { accept: "image/*", multiple: "" });
  const requireNote = () => {
    note.required = simple.find((step) => step.action === action.value)!.required.length > 0;
  };
  const children = [
    field(action, "action"),
    field(note, "note"),
    field(photos, "photos", text("field_app.photos", { most: MAX_PHOTOS })),
  ];
  const form = await draftForm(`step ${serviceCase.number}`, children, async (values) => {
    await capture({
      kind: "step",
      title: `${serviceCase.kind_name} · ${action.selectedOptions[0]!.text}`,
      fields: {
        number: serviceCase.number,
        action: values.action,
        note: values.note,
        revision: serviceCase.revision,
      },
      photos: await encodePhotos([...(photos.files ?? [])]).catch(() => {
        throw new Error(text("field_app.photo_unreadable"));
      }),
    });
    onStored("#cases");
  });
  action.addEventListener("change", requireNote);
  requireNote();
  return form;
}

/** The form of an entry in the ledger of visits. */
export async function visitForm(bundle: Bundle, code: string, onStored: OnStored): Promise<View> {
  const dwelling = select(
    bundle.dwellings.map((dwelling): [string, string] => [dwelling.code, nameOf(bundle, dwelling)]),
    { required: "" },
  );
  const topic = select(TOPICS.map((key): [string, string] => [key, text(`visit_topic.${key}`)]));
  const children = [
    field(dwelling, "dwelling"),
    field(topic, "topic"),
    field(input("datetime-local"), "visited_at"),
    field(textArea(), "said"),
    field(textArea(), "advice"),
    field(textArea(), "result"),
  ];
  const form = await draftForm(code ? `visit ${code}` : "visit", children, async (values) => {
    const { visited_at, ...fields } = values;
    const moment = visited_at ? { visited_at: new Date(visited_at).toISOString() } : {};
    await capture({
      kind: "visit",
      title: dwelling.selectedOptions[0]?.text ?? "",
      fields: { ...fields, ...moment },
    });
    onStored(code ? `#dwelling/${code}` : "#visits");
  });
  if (code) dwelling.value = code;
  return [heading(text("field_app.new_visit"), text("field_app.visit_time_note")), form];
}

/** The form that confirms a dwelling's counts or corrects them. */
export async function verificationForm(bundle: Bundle, code: string, onStored: OnStored) {
  const dwelling = bundle.dwellings.find((dwelling) => dwelling.code === code);
  if (!dwelling) return [heading(text("field_app.none"))];
  const occupancy = select(
    OCCUPANCIES.map((key): [string, string] => [
      key,
      key ? text(`occupancy.${key}`) : text("page.unknown"),
    ]),
  );
  occupancy.value = dwelling.occupancy ?? "";
  const children = [
    field(occupancy, "occupancy"),
    ...COUNTS.map((name) => {
      const control = input("number", { min: "0", max: "500", inputmode: "numeric" });
      control.value = String(dwelling[name as keyof Dwelling] ?? "");
      return field(control, name);
    }),
  ];
  const draft = `verify ${code} ${dwelling.version}`;
  const form = await draftForm(draft, children, async (values) => {
    const fields = { dwelling: code, seen: dwelling.version, changes: changesOf(dwelling, values) };
    await capture({ kind: "verification", title: nameOf(bundle, dwelling), fields });
    onStored(`#dwelling/${code}`);
  });
  return [heading(nameOf(bundle, dwelling), text("field_app.verify_note")), form];
}

/** The columns whose values differ from those on record. */
function changesOf(dwelling: Dwelling, values: Record<string, string>): Record<string, unknown> {
  const changes: Record<string, unknown> = {};
  for (const column of ["occupancy", ...COUNTS]) {
    const given = values[column] ?? "";
    const value = given === "" ? null : column === "occupancy" ? given : Number(given);
    if (value !== (dwelling[column as keyof Dwelling] ?? null)) changes[column] = value;
  }
  return changes;
}

/** The duties of the month, what is due, and what was done. */
export async function dutiesView(
  bundle: Bundle,
  entries: Parameters<typeof waiting>[0],
  onStored: OnStored,
): Promise<View> {
  const { duties, done, month } = bundle.duties;
  const today = dayInCity(serverTime(new Date().toISOString()));
  const articles = bundle.grids.flatMap(({ code, name }) =>
    duties.map(async (duty) => {
      const record = done.find((entry) => entry.grid_code === code && entry.duty === duty.key);
      const state = record
        ? text("field_app.done_on", { day: record.done_on })
        : text(duty.due_on < today ? "field_app.overdue_since" : "field_app.due_on", {
            day: duty.due_on,
          });
      const title = element("h3", {}, duty.name);
      const words = element(
        "p",
        {},
        `${name || code} · ${state}`,
        record?.note ? ` · ${record.note}` : "",
      );
      if (record) return element("article", { class: "done" }, title, words);
      return element("article", {}, title, words, await dutyForm(code, duty, onStored));
    }),
  );
  return [
    heading(text("field_app.duties"), month.slice(0, 7)),
    ...waiting(entries, "duty"),
    ...(await Promise.all(articles)),
  ];
}

async function dutyForm(
  grid: string,
  duty: { key: string; name: string },
  onStored: OnStored,
): Promise<HTMLElement> {
  const note = input("text", { maxlength: "500" });
  const label = element("label", {}, element("span", {}, text("field_app.note")), note);
  note.name = "note";
  return await draftForm(`duty ${grid} ${duty.key}`, [label], async (values) => {
    const done_on = dayInCity(serverTime(new Date().toISOString()));
    const fields = { grid, duty: duty.key, done_on, note: values.note ?? "" };
    await capture({ kind: "duty", title: duty.name, fields });
    onStored("#duties");
  });
}

/** The date in China's time zone. */
export function dayInCity(moment: string): string {
  return new Date(moment).toLocaleDateString("sv-SE", { timeZone: "Asia/Shanghai" });
}
