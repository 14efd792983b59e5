// The files that a plan is printed as.

import { button, element } from "../dom";
import { openFile } from "../http";
import { languageTag, text } from "../locale";
import type { Plan } from "./plan-api";

const PAPER_SIZES = ["A3", "A4", "8K"];

export function openPrintDialog(plan: Plan): void {
  const lang = languageTag().slice(0, 2);
  const sheets = PAPER_SIZES.map((paper): [string, string] => [
    `/plans/${plan.id}/sheet.pdf?paper=${paper}&lang=${lang}`,
    text("plan.print_sheet", { paper }),
  ]);
  const staffPapers = plan.status === "published" ? ["notice", "cards"] : [];
  const staffFiles = staffPapers.map((name): [string, string] => [
    `/communities/${plan.community_code}/${name}.pdf?lang=${lang}`,
    text(`plan.print_${name}`),
  ]);
  const assignment: [string, string] = [
    `/plans/${plan.id}/assignment.xlsx?lang=${lang}`,
    text("plan.print_assignment"),
  ];
  const buttons = [...sheets, assignment, ...staffFiles].map(([path, words]) =>
    button(words, () => void openFile(path)),
  );
  const dialog = element(
    "dialog",
    { "aria-label": text("plan.print"), class: "papers" },
    element("h2", {}, text("plan.print")),
    element("p", {}, text("plan.print_help")),
    ...buttons,
    element(
      "div",
      { class: "ways" },
      button(text("plan.close"), () => dialog.close(), { class: "primary" }),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
