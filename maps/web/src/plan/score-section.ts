// The score card of a draft in the panel of the editor; its figures are computed while it is open.

import type { Extent } from "../bounds";
import { element } from "../dom";
import { text } from "../locale";
import type { Draft } from "./draft";
import { SERVER_FIGURES, scoreTable } from "./score-table";

export class ScoreSection {
  private readonly card = element("div", { class: "holder" });
  readonly section = element(
    "details",
    { class: "scores" },
    element("summary", {}, text("atlas.scorecard")),
    this.card,
  );

  constructor(
    private readonly draft: Draft,
    private readonly showPlace: (extent: Extent) => void,
  ) {
    this.section.addEventListener("toggle", () => this.refresh());
  }

  refresh(): void {
    this.card.replaceChildren(...(this.section.open ? [this.table()] : []));
  }

  private table(): HTMLElement {
    return scoreTable([{ ...this.draft.plan, score: this.draft.score() }], {
      outdated: this.draft.isScoreOutdated ? SERVER_FIGURES : [],
      places: this.draft.places(),
      showPlace: this.showPlace,
    });
  }
}
