// The outbox as a view: what waits, what the server refused and why, and conflicts side by side.

import { button, definitionList, div, element } from "../dom";
import { formatDateTime, optionalText, text } from "../locale";
import { describeInspection } from "./hydrants";
import { caseOf, dwellingOf, sendAgain, serverTime } from "./outbox";
import { deleteEntry } from "./store";
import type { Dwelling, Entry, Hydrant } from "./types";
import { describeValue, heading, type View } from "./views";

/** `changed` is called after a decision. */
export function outboxView(entries: Entry[], locked: number, changed: () => void): View {
  const note = text(entries.length ? "field_app.waiting" : "field_app.sync_done", {
    count: entries.length,
  });
  const unreadable = locked ? element("p", {}, text("field_app.locked", { count: locked })) : null;
  return [
    heading(text("field_app.outbox"), note),
    ...(unreadable ? [unreadable] : []),
    ...entries.map((entry) => entryItem(entry, changed)),
  ];
}

function entryItem(entry: Entry, changed: () => void): HTMLElement {
  const { refusal, title, kind, deviceAt } = entry;
  const isConflict = refusal?.current !== undefined;
  const state = refusal
    ? text(isConflict ? "field_app.conflict" : "field_app.refused")
    : text("field_app.not_sent");
  return element(
    "article",
    { class: refusal ? "refused" : "" },
    element("h3", {}, `${text(`field_app.kind_${kind}`)} · ${title}`),
    element("p", {}, `${formatDateTime(serverTime(deviceAt))} · ${state}`),
    refusal ? element("p", { class: "alert" }, refusal.detail) : null,
    isConflict ? comparison(entry, refusal.current!) : contents(entry),
    refusal ? stateOfCase(entry) : null,
    refusal ? decisions(entry, isConflict, changed) : null,
  );
}

/** What was entered, for people. */
function contents({ fields, photos }: Entry): HTMLElement {
  const rows = Object.entries(fields)
    .filter(([name, value]) => typeof value !== "object" && optionalText(`field_app.${name}`))
    .map(([name, value]): [string, string] => [
      text(`field_app.${name}`),
      optionalText(`visit_topic.${value}`) || describeInspection({ [name]: value }, name),
    ]);
  const changes = Object.entries((fields.changes ?? {}) as Partial<Dwelling>).map(
    ([name]): [string, string] => [
      text(`field_app.${name}`),
      describeValue(fields.changes as Partial<Dwelling>, name),
    ],
  );
  if (photos.length) rows.push([text("field_app.photo_count"), String(photos.length)]);
  return definitionList([...rows, ...changes]);
}

/** Rows of column, entered value and value on the server. */
type ComparedValues = [string, string, string][];

function comparison(entry: Entry, current: Dwelling | Hydrant): HTMLElement {
  if ("inspection" in current)
    return comparisonTable(entry.title, compareInspections(entry, current));
  return comparisonTable(dwellingOf(entry)?.code ?? entry.title, compareCounts(entry, current));
}

function compareInspections({ fields }: Entry, current: Hydrant): ComparedValues {
  return ["passed", "reason", "flow_l_s", "inspected_on", "inspector"].map((column) => [
    column,
    column in fields ? describeInspection(fields, column) : text("field_app.mine_inspection"),
    describeInspection(current, column),
  ]);
}

function compareCounts({ fields }: Entry, current: Dwelling): ComparedValues {
  const changes = fields.changes as Partial<Dwelling>;
  return [...Object.keys(changes), "verified_on", "verified_by"].map((column) => [
    column,
    column in changes ? describeValue(changes, column) : text("field_app.mine_new"),
    describeValue(current, column),
  ]);
}

function comparisonTable(label: string, compared: ComparedValues): HTMLElement {
  const rows = compared.map(([column, entered, current]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, text(`field_app.${column}`)),
      element("td", {}, entered),
      element("td", {}, current),
    ),
  );
  const head = ["", "field_app.mine", "field_app.servers"].map((key) =>
    key ? element("th", { scope: "col" }, text(key)) : element("td"),
  );
  return element(
    "table",
    { "aria-label": label },
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...rows),
  );
}

/** The state of a step's case on the server, beside what was entered. */
function stateOfCase(entry: Entry): HTMLElement | null {
  const current = caseOf(entry);
  if (!current) return null;
  const rows: [string, string][] = [
    [text("field_app.servers"), current.state_name],
    [text("field_app.handler"), current.handler_name],
  ];
  return definitionList(rows);
}

function decisions(entry: Entry, isConflict: boolean, changed: () => void): HTMLElement {
  const again = button(
    text(isConflict ? "field_app.send_mine" : "field_app.send_again"),
    () => void sendAgain(entry).then(changed),
    { class: "primary" },
  );
  const drop = button(text(isConflict ? "field_app.keep_servers" : "field_app.discard"), () => {
    if (window.confirm(text("field_app.discard_confirm"))) void deleteEntry(entry.id).then(changed);
  });
  return div("actions", again, drop);
}
