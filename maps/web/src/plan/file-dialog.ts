// A plan out of the page and back in: GeoPackage and CSV of buildings to grids.

import { button, div, element, notify, openDialog } from "../dom";
import { openFile } from "../http";
import { formatNumber, text } from "../locale";
import type { Draft } from "./draft";

const FORMATS = ".csv,.xlsx,.gpkg,.geojson,.json,.geojsonl,.kml,.kmz";

export function openFileDialog(draft: Draft): void {
  const { id } = draft.plan;
  const downloads: [string, string][] = [
    [`/exports/grid?plan=${id}&format=gpkg`, text("plan.file_gpkg")],
    [`/plans/${id}/assignment.csv`, text("plan.file_csv")],
  ];
  const dialog = element(
    "dialog",
    { "aria-label": text("plan.files"), class: "papers" },
    element("h2", {}, text("plan.files")),
    ...downloads.map(([path, words]) => button(words, () => void openFile(path))),
    ...(draft.isEditable ? uploadFields(draft, () => dialog.close()) : []),
    div(
      "ways",
      button(text("page.close"), () => dialog.close(), { class: "primary" }),
    ),
  );
  openDialog(dialog);
}

function uploadFields(draft: Draft, close: () => void): HTMLElement[] {
  const field = element("input", { type: "file", id: "plan-file", accept: FORMATS });
  const message = element("p", { class: "said", role: "alert" });
  field.addEventListener("change", () => {
    const [file] = field.files ?? [];
    if (file) void upload(file);
  });
  const upload = async (file: File) => {
    field.disabled = true;
    message.textContent = "";
    try {
      const households = await draft.importFile(file);
      close();
      const words = text("plan.file_imported", { households: formatNumber(households) });
      notify(words, undefined, "calm");
    } catch (error) {
      message.textContent = (error as Error).message;
      field.value = "";
      field.disabled = false;
    }
  };
  return [
    element("label", { for: "plan-file" }, text("plan.file_import"), field),
    element("p", { class: "none" }, text("plan.file_import_help")),
    message,
  ];
}
