// The files that a plan is printed as.

import { button, div, element, openDialog } from "../dom";
import { openFile } from "../http";
import { languageTag, text } from "../locale";
import type { Draft } from "./draft";
import { gridName } from "./grid-list";

const PAPER_SIZES = ["A3", "A4", "8K"];
const MAX_COPIES = 1000;

export function openPrintDialog(draft: Draft): void {
  const { plan } = draft;
  const lang = languageTag().slice(0, 2);
  const sheets = PAPER_SIZES.map((paper) =>
    fileButton(
      text("plan.print_sheet", { paper }),
      () => `/plans/${plan.id}/sheet.pdf?paper=${paper}&lang=${lang}`,
    ),
  );
  const dialog = element(
    "dialog",
    { "aria-label": text("plan.print"), class: "papers" },
    element("h2", {}, text("plan.print")),
    element("p", {}, text("plan.print_help")),
    ...sheets,
    fileButton(
      text("plan.print_assignment"),
      () => `/plans/${plan.id}/assignment.xlsx?lang=${lang}`,
    ),
    ...(plan.status === "published" ? [staffPapers(draft)] : []),
    div(
      "ways",
      button(text("page.close"), () => dialog.close(), { class: "primary" }),
    ),
  );
  openDialog(dialog);
}

function fileButton(words: string, path: () => string): HTMLButtonElement {
  return button(words, () => void openFile(path()));
}

/** Notice boards and contact cards of all grids or of one, in a number of copies. */
function staffPapers({ plan, grids }: Draft): HTMLElement {
  const lang = languageTag().slice(0, 2);
  const grid = element(
    "select",
    {},
    element("option", { value: "" }, text("plan.print_all_grids")),
    ...[...grids.values()]
      .sort((one, other) => one.code.localeCompare(other.code))
      .map((one) => element("option", { value: one.code }, gridName(one))),
  );
  const copies = element("input", {
    type: "number",
    min: "1",
    max: String(MAX_COPIES),
    value: "1",
    required: "",
  });
  const path = (name: string, query: Record<string, string>) =>
    `/communities/${plan.community_code}/${name}.pdf?${new URLSearchParams({ lang, grid: grid.value, ...query })}`;
  const cards = fileButton(text("plan.print_cards"), () =>
    path("cards", { copies: String(copies.valueAsNumber) }),
  );
  copies.addEventListener("input", () => {
    cards.disabled = !copies.checkValidity();
  });
  return element(
    "fieldset",
    {},
    element("legend", {}, text("plan.print_staff")),
    element("label", {}, text("plan.print_grid"), grid),
    fileButton(text("plan.print_notice"), () => path("notice", {})),
    element("label", {}, text("plan.print_copies"), copies),
    cards,
  );
}
