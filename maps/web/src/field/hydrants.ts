// Hydrants in the manager's grids: list with due dates, last inspection, form for the next one.

import { definitionList, element } from "../dom";
import { optionalText, text } from "../locale";
import { draftForm, field, input, select, textArea } from "./form";
import { capture } from "./outbox";
import type { Bundle, Entry, Hydrant } from "./types";
import { heading, link, list, row, type View, waiting } from "./views";

const COLUMNS = ["passed", "reason", "flow_l_s", "inspected_on", "inspector"] as const;

/** The hydrants by due date; inspections that wait to be sent are listed above them. */
export function hydrantsView({ hydrants }: Bundle, entries: Entry[], today: string): View {
  const items = hydrants.map((hydrant) => {
    const last = hydrant.inspected_on
      ? text("field_app.inspected", { day: hydrant.inspected_on })
      : text("field_app.never_inspected");
    return row(`#hydrant/${hydrant.code}`, nameOf(hydrant), last, markOf(hydrant, today));
  });
  return [
    heading(text("field_app.hydrants")),
    ...waiting(entries, "inspection"),
    list(items, text("field_app.no_hydrants")),
  ];
}

function markOf({ due_on, passed }: Hydrant, today: string): string {
  if (!due_on || due_on < today) return text("field_app.due_inspection");
  return passed ? "" : text("field_app.passed_false");
}

function nameOf({ name, code }: Hydrant): string {
  return name || code;
}

export function hydrantView(bundle: Bundle, entries: Entry[], code: string): View {
  const hydrant = bundle.hydrants.find((candidate) => candidate.code === code);
  if (!hydrant) return [heading(text("field_app.none"))];
  const isWaiting = entries.some(
    ({ kind, fields }) => kind === "inspection" && fields.hydrant === code,
  );
  const inspect = isWaiting
    ? link("#outbox", text("field_app.inspection_waits"))
    : link(`#inspect/${code}`, text("field_app.inspect"));
  const kind = hydrant.hydrant_type ? text(`hydrant_type.${hydrant.hydrant_type}`) : "";
  const rows = COLUMNS.map((column): [string, string] => [
    text(`field_app.${column}`),
    describeInspection(hydrant, column),
  ]);
  rows.push([text("field_app.next_inspection"), hydrant.due_on ?? ""]);
  return [
    heading(nameOf(hydrant), [kind, code].filter(Boolean).join(" · ")),
    element("p", { class: "actions" }, inspect),
    ...(hydrant.inspection
      ? [definitionList(rows)]
      : [element("p", {}, text("field_app.never_inspected"))]),
  ];
}

/** The form for an inspection; `onStored` gets the address of the view to show next. */
export async function inspectionForm(
  bundle: Bundle,
  code: string,
  onStored: (hash: string) => void,
): Promise<View> {
  const hydrant = bundle.hydrants.find((candidate) => candidate.code === code);
  if (!hydrant) return [heading(text("field_app.none"))];
  const passed = select(
    ["true", "false"].map((key): [string, string] => [key, text(`field_app.passed_${key}`)]),
  );
  const reason = textArea({ maxlength: "1000" });
  const flow = input("number", { min: "0", max: "10000", step: "0.1", inputmode: "decimal" });
  const requireReason = () => {
    reason.required = passed.value === "false";
  };
  const children = [field(passed, "passed"), field(reason, "reason"), field(flow, "flow_l_s")];
  const draft = `inspect ${code} ${hydrant.inspection ?? ""}`;
  const form = await draftForm(draft, children, async (values) => {
    await capture({
      kind: "inspection",
      title: nameOf(hydrant),
      fields: {
        hydrant: code,
        seen: hydrant.inspection,
        passed: values.passed === "true",
        reason: values.reason,
        flow_l_s: values.flow_l_s ? Number(values.flow_l_s) : null,
      },
    });
    onStored(`#hydrant/${code}`);
  });
  passed.addEventListener("change", requireReason);
  requireReason();
  return [heading(nameOf(hydrant), text("field_app.inspect_note")), form];
}

/** Format a value of an inspection for display. */
export function describeInspection(values: object, column: string): string {
  const value = (values as Record<string, unknown>)[column];
  if (value === null || value === undefined || value === "") return "–";
  return optionalText(`field_app.${column}_${value}`) || String(value);
}
