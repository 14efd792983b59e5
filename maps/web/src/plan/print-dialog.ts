// What a plan is printed as.

import { button, element } from "../dom";
import { openFile } from "../http";
import { text } from "../locale";
import type { Plan } from "./plan-api";

const PAPERS = ["A3", "A4", "8K"];

export function printDialog(plan: Plan): void {
  const lang = document.documentElement.lang.slice(0, 2);
  const sheets = PAPERS.map((paper): [string, string] => [
    `/plans/${plan.id}/sheet.pdf?paper=${paper}&lang=${lang}`,
    text("plan.print_sheet", { paper }),
  ]);
  const people = plan.status === "published" ? ["notice", "cards"] : [];
  const more = people.map((name): [string, string] => [
    `/communities/${plan.community_code}/${name}.pdf?lang=${lang}`,
    text(`plan.print_${name}`),
  ]);
  const list: [string, string] = [
    `/plans/${plan.id}/assignment.xlsx?lang=${lang}`,
    text("plan.print_assignment"),
  ];
  const ways = [...sheets, list, ...more].map(([path, words]) =>
    button(words, () => void openFile(path)),
  );
  const dialog = element(
    "dialog",
    { "aria-label": text("plan.print"), class: "papers" },
    element("h2", {}, text("plan.print")),
    element("p", {}, text("plan.print_help")),
    ...ways,
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
