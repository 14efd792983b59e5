// Managers and informants of all grids of the planner: vacancies, details, photos, bulk upload.

import { button, div, element, elementById, labelled, notify } from "../dom";
import { openFormDialog } from "../form-dialog";
import { type Answer, allPages, api, bodyOf, openFile, request } from "../http";
import { text } from "../locale";

type GridStaff = Answer<"/staff">["items"][number];
type StaffImport = Answer<"/staff/import", "post">;

const PAGE_SIZE = 1000;
const COLUMNS = ["grid", "community", "name", "phone", "tasks", "duties", "informants"] as const;

export async function showStaff(signal?: AbortSignal): Promise<void> {
  const rows = await fetchStaff();
  signal?.throwIfAborted();
  const search = element("input", {
    type: "search",
    placeholder: text("staff.search"),
    "aria-label": text("staff.search"),
  });
  const vacant = element("input", { type: "checkbox", id: "staff-vacant" });
  const table = element("div", { class: "staff" });
  const fill = () => {
    const shown = filterStaff(rows, search.value.trim(), vacant.checked);
    table.replaceChildren(staffTable(shown));
  };
  search.addEventListener("input", fill);
  vacant.addEventListener("change", fill);
  fill();
  const counts = { grids: rows.length, vacant: rows.filter((row) => !row.manager).length };
  elementById("side").replaceChildren(
    div(
      "heading",
      element("h1", {}, text("staff.title")),
      element("p", {}, text("staff.count", counts)),
      element("p", {}, text("staff.help")),
    ),
    div(
      "actions",
      button(text("staff.download"), () => void openFile("/staff/workbook.xlsx")),
      button(text("staff.upload"), openUploadDialog, { class: "primary" }),
    ),
    div("sieve", search, element("label", { for: vacant.id }, vacant, text("staff.only_vacant"))),
    table,
  );
}

/** The rows whose grid, community or manager contains some words. */
function filterStaff(rows: GridStaff[], words: string, isVacant: boolean): GridStaff[] {
  return rows.filter(
    (row) =>
      (!isVacant || row.manager === null) &&
      [row.grid, row.community, row.manager?.name ?? ""].some((field) => field.includes(words)),
  );
}

async function fetchStaff(): Promise<GridStaff[]> {
  const query = { limit: PAGE_SIZE };
  const pages = await allPages(bodyOf(api.GET("/staff", { params: { query } })));
  return pages.flatMap(({ items }) => items);
}

function staffTable(rows: GridStaff[]): HTMLElement {
  const heads = COLUMNS.map((name) => element("th", {}, text(`staff_column.${name}`)));
  return element(
    "table",
    {},
    element("thead", {}, element("tr", {}, ...heads, element("td", {}))),
    element("tbody", {}, ...rows.map(staffRow)),
  );
}

function staffRow(row: GridStaff): HTMLElement {
  const { grid, community, manager, informants } = row;
  const label = `${text("plan.edit")} ${grid}`;
  const edit = button(text("plan.edit"), () => openEditDialog(row), { "aria-label": label });
  const vacant = element("span", { class: "badge" }, text("staff.vacant"));
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, grid),
    element("td", {}, community),
    element("td", {}, manager ? manager.name : vacant),
    element("td", {}, manager?.phone ?? ""),
    element("td", {}, manager?.tasks ?? ""),
    element("td", {}, manager?.duties ?? ""),
    element("td", {}, informants.length ? informantList(informants) : null),
    element("td", {}, edit),
  );
}

function informantList(informants: GridStaff["informants"]): HTMLElement {
  const items = informants.map(({ name, phone, buildings }) => {
    const codes = buildings?.join(", ");
    const care = codes ? text("staff.buildings", { codes }) : text("staff.no_buildings");
    return element("li", {}, `${name} ${phone ?? ""}`, element("small", {}, care));
  });
  const count = String(informants.length);
  return element("details", {}, element("summary", {}, count), element("ul", {}, ...items));
}

function openEditDialog({ grid, manager }: GridStaff): void {
  const name = element("input", { name: "name", maxlength: "60", required: "" });
  const phone = element("input", { name: "phone", type: "tel", maxlength: "40" });
  const tasks = element("textarea", { name: "tasks", maxlength: "2000", rows: "3" });
  const duties = element("textarea", { name: "duties", maxlength: "2000", rows: "3" });
  const photo = element("input", { type: "file", accept: "image/jpeg,image/png,image/webp" });
  name.value = manager?.name ?? "";
  phone.value = manager?.phone ?? "";
  tasks.value = manager?.tasks ?? "";
  duties.value = manager?.duties ?? "";
  openFormDialog({
    title: grid,
    content: [
      div(
        "staff-form",
        labelled(text("staff_column.name"), name),
        labelled(text("staff_column.phone"), phone),
        labelled(text("staff_column.tasks"), tasks),
        labelled(text("staff_column.duties"), duties),
        labelled(text("staff_column.photo"), photo),
      ),
    ],
    action: text("page.save"),
    confirm: async () => {
      const body = {
        name: name.value.trim(),
        phone: phone.value.trim(),
        tasks: tasks.value.trim(),
        duties: duties.value.trim(),
      };
      await api.PUT("/grids/{code}/manager", { params: { path: { code: grid } }, body });
      const file = photo.files?.[0];
      if (file) await sendForm(`/grids/${grid}/manager/photo`, "PUT", { photo: file });
      notify(text("page.saved"), undefined, "calm");
      await showStaff();
    },
  });
}

function openUploadDialog(): void {
  const workbook = element("input", { type: "file", accept: ".xlsx", required: "" });
  const photos = element("input", { type: "file", accept: ".zip" });
  const report = element("div", { role: "status" });
  const send = async (isDryRun: boolean) => {
    const files = { workbook: workbook.files?.[0], photos: photos.files?.[0] };
    const answer = await sendForm(`/staff/import?dry_run=${isDryRun}`, "POST", files);
    const result = (await answer.json()) as StaffImport;
    report.replaceChildren(...importReport(result, isDryRun));
    return result.problems.length === 0;
  };
  const check = button(text("staff.check"), () => {
    if (form.reportValidity()) send(true).catch((error: Error) => notify(error.message));
  });
  const form = openFormDialog({
    title: text("staff.upload"),
    content: [
      div(
        "staff-form",
        labelled(text("staff.choose_workbook"), workbook),
        labelled(text("staff.choose_photos"), photos),
      ),
      check,
      report,
    ],
    action: text("staff.write"),
    confirm: async () => {
      const isWritten = await send(false);
      if (isWritten) {
        notify(report.textContent ?? "", undefined, "calm");
        await showStaff();
      }
      return isWritten;
    },
  });
}

function importReport(result: StaffImport, isDryRun: boolean): HTMLElement[] {
  const { problems, managers, informants, vacant, changed } = result;
  if (problems.length === 0) {
    const key = isDryRun ? "staff.checked" : "staff.imported";
    return [element("p", {}, text(key, { managers, informants, vacant, changed }))];
  }
  return [
    element("p", { class: "said" }, text("staff.problems", { count: problems.length })),
    element("ul", {}, ...problems.map(({ message }) => element("li", {}, message))),
  ];
}

async function sendForm(
  path: string,
  method: "POST" | "PUT",
  files: Record<string, File | undefined>,
): Promise<Response> {
  const body = new FormData();
  for (const [name, file] of Object.entries(files)) if (file) body.append(name, file);
  return request(path, { method, body });
}
