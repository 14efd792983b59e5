// An uploaded file: correct how it is read, see what it would change, import it.

import {
  button,
  type Child,
  type Choice,
  div,
  element,
  heading,
  labelled,
  notify,
  select,
} from "../dom";
import { formatDateTime, formatNumber, text } from "../locale";
import { fitFeatures, setSidebar, showFeatures } from "./change-map";
import {
  deleteUpload,
  dryRunUpload,
  fetchUpload,
  importUpload,
  type RunWithReport,
} from "./import-api";
import { changeSections, concernList } from "./import-runs";
import { columnName, label } from "./labels";
import { changeFeatures } from "./run-summary";
import {
  assignColumn,
  crsLabel,
  missingTargets,
  type Preview,
  proposedMapping,
  targetOf,
  type UploadMapping,
} from "./upload-mapping";

type Navigate = (path: string) => void;

const COORDINATE_UNITS = ["m", "cm", "mm"] as const;

/** How an uploaded file is read, to be corrected; then what it would change. */
export async function showUpload(
  id: string,
  navigate: Navigate,
  signal: AbortSignal,
): Promise<void> {
  const page = new UploadPage(id, navigate, signal);
  await page.load({});
}

class UploadPage {
  private preview!: Preview;
  private mapping!: UploadMapping;
  private loadCount = 0;
  private readonly columns = element("section");
  private readonly sourceHints = element("div");
  private readonly message = element("p", { class: "said", role: "alert" });
  private readonly result = element("section", { "aria-live": "polite" });
  private readonly trial: HTMLButtonElement;

  constructor(
    private readonly id: string,
    private readonly navigate: Navigate,
    private readonly signal: AbortSignal,
  ) {
    this.trial = button(text("data.dry_run"), () => void this.dryRun(), { class: "primary" });
  }

  /** Read the file again, as a layer or in an encoding that was chosen. */
  async load(query: { layer?: string; file_layer?: string; encoding?: string }): Promise<void> {
    const count = ++this.loadCount;
    const preview = await fetchUpload(this.id, query);
    if (this.signal.aborted || count !== this.loadCount) return;
    this.preview = preview;
    const { encoding } = query;
    this.mapping = { ...proposedMapping(this.preview), ...(encoding ? { encoding } : {}) };
    const { name, expires_at } = this.preview;
    const kept = text("data.upload_kept", { name, when: formatDateTime(expires_at) });
    setSidebar(
      heading(text("data.upload_file"), kept),
      this.readingForm(),
      this.columns,
      div("actions", this.trial, this.deleteButton()),
      this.message,
      this.result,
    );
    this.renderColumns();
    this.renderSourceHints();
    this.result.replaceChildren();
    this.message.textContent = "";
    showFeatures([]);
  }

  private reload(change: { layer?: string; file_layer?: string; encoding?: string }): void {
    const { layer, file_layer, encoding } = this.mapping;
    const query = { layer, file_layer, encoding, ...change };
    const given = Object.entries(query).filter(([, value]) => value);
    this.load(Object.fromEntries(given)).catch((error: Error) => {
      this.message.textContent = error.message;
    });
  }

  private change(change: Partial<UploadMapping>): void {
    this.mapping = { ...this.mapping, ...change };
    if (this.result.childElementCount) this.showOutdated();
  }

  private showOutdated(): void {
    this.result.replaceChildren(element("p", { class: "none" }, text("data.dry_run_outdated")));
  }

  private readingForm(): HTMLElement {
    const { preview, mapping } = this;
    const { layers, file_layers, encoding, has_place } = preview;
    const layerOptions = layers.map((name): Choice => [name, label("layer", name)]);
    const rows: Child[] = [
      labelled(
        text("data.as_layer"),
        select(layerOptions, mapping.layer, (layer) => this.reload({ layer })),
      ),
    ];
    if (file_layers.length > 1) {
      const options = file_layers.map((name): Choice => [name, name]);
      const choose = select(options, preview.file_layer, (file_layer) =>
        this.reload({ file_layer }),
      );
      rows.push(labelled(text("data.file_layer"), choose));
    }
    if (encoding !== null) {
      const detected = mapping.encoding ? "…" : encoding;
      const options: Choice[] = [
        ["", text("data.as_detected", { value: detected })],
        ...preview.encodings.map((name): Choice => [name, name]),
      ];
      const choose = select(options, mapping.encoding ?? "", (name) =>
        this.reload({ encoding: name }),
      );
      rows.push(labelled(text("data.encoding"), choose));
    }
    if (has_place) rows.push(...this.coordinateRows());
    rows.push(...this.sourceRows());
    return div("reading", element("h2", {}, text("data.read_as")), ...rows);
  }

  private coordinateRows(): Child[] {
    const { crs, crs_choices, likely_crs } = this.preview;
    const options: Choice[] = [
      ["", crs ? text("data.crs_of_file", { value: crs }) : text("data.crs_choose")],
      ...crs_choices.map((code): Choice => {
        const hint = code === likely_crs ? text("data.crs_likely") : "";
        return [code, crsLabel(code) + hint];
      }),
    ];
    const units = COORDINATE_UNITS.map((unit): Choice => [unit, text(`data.unit_${unit}`)]);
    return [
      labelled(
        text("data.crs"),
        select(options, "", (code) => this.change({ crs: code || null })),
      ),
      element(
        "details",
        {},
        element("summary", {}, text("data.more_coordinates")),
        tick(text("data.swap_axes"), (swap_axes) => this.change({ swap_axes })),
        labelled(
          text("data.coordinate_unit"),
          select(units, "m", (unit) =>
            this.change({ coordinate_unit: unit as (typeof COORDINATE_UNITS)[number] }),
          ),
        ),
      ),
    ];
  }

  private sourceRows(): Child[] {
    const names = this.preview.sources.map(({ name }) => element("option", { value: name }));
    const list = element("datalist", { id: "sources" }, ...names);
    const field = element("input", {
      list: "sources",
      value: this.mapping.source,
      maxlength: "100",
    });
    field.addEventListener("input", () => {
      this.change({ source: field.value });
      this.renderSourceHints();
    });
    return [
      labelled(text("data.source"), field),
      list,
      this.sourceHints,
      tick(text("data.partial"), (partial) => this.change({ partial })),
    ];
  }

  private renderSourceHints(): void {
    const { codes_of, sources } = this.preview;
    const source = this.mapping.source.trim();
    const features = sources.find(({ name }) => name === source)?.features;
    const hints = [text("data.source_help")];
    if (codes_of === source) hints.push(text("data.codes_of", { source }));
    else if (codes_of) hints.push(text("data.codes_of_other", { source: codes_of }));
    if (features !== undefined)
      hints.push(text("data.source_has", { count: formatNumber(features) }));
    else if (sources.length) hints.push(text("data.source_is_new"));
    this.sourceHints.replaceChildren(...hints.map((hint) => element("small", {}, hint)));
  }

  private renderColumns(): void {
    const { columns } = this.preview;
    const count = Math.max(0, ...columns.map(({ samples }) => samples.length));
    this.columns.replaceChildren(
      element("h2", {}, text("data.columns")),
      element("p", { class: "none" }, text("data.columns_said", { count })),
      element("ul", { class: "runs columns" }, ...columns.map((column) => this.columnItem(column))),
      ...this.constantFields(),
    );
  }

  private columnItem({ name, samples }: Preview["columns"][number]): HTMLElement {
    const target = targetOf(this.mapping, name);
    const options: Choice[] = [
      ["", text("data.not_used")],
      ...this.preview.targets.map((target): Choice => [target.name, columnName(target.name)]),
    ];
    const choose = select(options, target, (chosen) => {
      this.change(assignColumn(this.mapping, name, chosen));
      this.renderColumns();
      this.columns.querySelector<HTMLElement>(`[data-column="${CSS.escape(name)}"]`)?.focus();
    });
    // what another column fills is not taken from it in passing, as by the arrow keys
    for (const option of choose.options) {
      const other = this.mapping.columns[option.value]?.source;
      option.disabled = other !== undefined && other !== null && other !== name;
    }
    choose.setAttribute("aria-label", text("data.to_column", { name }));
    choose.dataset.column = name;
    const values = samples.map((value) => value || text("data.no_value")).join(text("page.and"));
    return element(
      "li",
      {},
      element("b", {}, name),
      choose,
      this.unitChoice(name, target),
      element("small", {}, values),
    );
  }

  private unitChoice(name: string, target: string): HTMLElement | null {
    const { columns } = this.mapping;
    const units = this.preview.targets.find((one) => one.name === target)?.units ?? [];
    if (!units.length) return null;
    const options: Choice[] = [
      ["", text("data.own_unit")],
      ...units.map((unit): Choice => [unit, unit]),
    ];
    const choose = select(options, columns[target]?.unit ?? "", (unit) => {
      const rule = { source: name, unit: unit || null };
      this.change({ columns: { ...this.mapping.columns, [target]: rule } });
    });
    choose.setAttribute("aria-label", text("data.unit_of_column", { name }));
    return choose;
  }

  private constantFields(): HTMLElement[] {
    const missing = missingTargets(this.preview, this.mapping);
    if (!missing.length) return [];
    const fields = missing.map((target) => {
      const field = element("input", {
        value: this.mapping.columns[target]?.constant ?? "",
        maxlength: "200",
      });
      field.addEventListener("input", () => {
        const constant = field.value.trim() || null;
        this.change({ columns: { ...this.mapping.columns, [target]: { constant } } });
      });
      return target === "code"
        ? element("p", {}, columnName(target))
        : labelled(text("data.constant_for", { name: columnName(target) }), field);
    });
    const words = element("p", { class: "trouble" }, text("data.missing_columns"));
    return [div("reading", words, ...fields)];
  }

  private deleteButton(): HTMLElement {
    const remove = async () => {
      await deleteUpload(this.id);
      notify(text("data.upload_deleted"), undefined, "calm");
      this.navigate("/data/upload");
    };
    return button(text("data.delete_upload"), () => void remove());
  }

  /** Do something with the file while its buttons are off; say what went wrong. */
  private async work(words: string, act: () => Promise<void>): Promise<void> {
    this.trial.disabled = true;
    this.message.textContent = words;
    try {
      await act();
      this.message.textContent = "";
    } catch (error) {
      this.message.textContent = (error as Error).message;
    }
    this.trial.disabled = false;
  }

  private dryRun(): Promise<void> {
    this.result.replaceChildren();
    const { mapping } = this;
    return this.work(text("data.dry_running"), async () => {
      const run = await dryRunUpload(this.id, mapping);
      if (this.signal.aborted) return;
      if (mapping === this.mapping) this.showResult(run);
      else this.showOutdated();
    });
  }

  private showResult(run: RunWithReport): void {
    const title = element("h2", { tabindex: "-1" }, text("data.dry_run_result"));
    const isUnchanged = run.status === "unchanged";
    const outcome = isUnchanged ? "change_nothing" : run.status === "held" ? "hold" : "publish";
    const submit = text(run.status === "held" ? "data.send_for_approval" : "data.publish");
    this.result.replaceChildren(
      title,
      element(
        "p",
        { class: run.status === "held" ? "trouble" : "well" },
        text(`data.would_${outcome}`),
      ),
      ...concernList(run),
      ...(isUnchanged
        ? []
        : [
            div(
              "actions",
              button(submit, () => void this.import(), { class: "primary" }),
            ),
          ]),
      ...changeSections(run),
      ...refusedList(run),
    );
    const features = changeFeatures(run.report);
    showFeatures(features);
    fitFeatures(features);
    title.focus();
  }

  private import(): Promise<void> {
    return this.work(text("data.importing"), async () => {
      const run = await importUpload(this.id, this.mapping);
      notify(text(`data.imported_${run.status}`), undefined, "calm");
      if (!this.signal.aborted) this.navigate(`/data/runs/${run.id}`);
    });
  }
}

function refusedList({ refused }: RunWithReport): HTMLElement[] {
  if (!refused.length) return [];
  const rows = refused.map(({ code, said }) =>
    element("li", {}, element("b", {}, code ?? "—"), ` ${said}`),
  );
  return [
    element(
      "details",
      { open: "" },
      element("summary", {}, text("data.would_refuse")),
      element("ul", { class: "runs" }, ...rows),
    ),
  ];
}

function tick(words: string, change: (checked: boolean) => void): HTMLElement {
  const box = element("input", { type: "checkbox" });
  box.addEventListener("change", () => change(box.checked));
  return element("label", { class: "tick" }, box, words);
}
