import { beforeEach, describe, expect, test } from "vitest";

import { formatColumn, formatCounts, label, layerNames } from "../src/data/labels";
import {
  chooseLanguage,
  formatMetres,
  formatNumber,
  languageTag,
  optionalText,
  otherLanguage,
  setLocale,
  text,
} from "../src/locale";

beforeEach(() =>
  setLocale("en", {
    greeting: "{count} grids of {name}",
    grids: "{count} {count:grid|grids}",
    "page.and": ", ",
    "page.yes": "yes",
    "page.no": "no",
    "layer.building": "Buildings",
    "count.added": "added",
    "structure.brick": "Brick",
  }),
);

describe("texts", () => {
  test("are filled in", () => {
    expect(text("greeting", { count: 3, name: "Gulou" })).toBe("3 grids of Gulou");
    expect(text("greeting", { count: 3 })).toBe("3 grids of ");
  });

  test("say one grid and two grids", () => {
    expect([1, 2].map((count) => text("grids", { count }))).toEqual(["1 grid", "2 grids"]);
  });

  test("that are missing show their key, or nothing where they are optional", () => {
    expect(text("missing.key")).toBe("missing.key");
    expect(optionalText("missing.key")).toBe("");
    expect(optionalText("page.yes")).toBe("yes");
  });

  test("change with the language", () => {
    expect([languageTag(), otherLanguage()]).toEqual(["en", "zh"]);
    setLocale("zh", {});
    expect([languageTag(), otherLanguage()]).toEqual(["zh-CN", "en"]);
  });
});

describe("figures", () => {
  test("have separators", () => {
    expect(formatNumber(1234567)).toBe("1,234,567");
  });

  test("in metres are rounded, and nothing where there is none", () => {
    expect(formatMetres(1234.5)).toBe("1,235 m");
    expect(formatMetres(0)).toBe("0 m");
    expect(formatMetres(null)).toBe("");
  });
});

describe("values of features", () => {
  test("have their unit, by the name of the column", () => {
    expect(formatColumn("width_m", 4)).toBe("4 m");
    expect(formatColumn("diameter_mm", 150)).toBe("150 mm");
    expect(formatColumn("flow_l_s", 15)).toBe("15 L/s");
    expect(formatColumn("storeys", 6)).toBe("6");
  });

  test("are named where the catalogue has a name", () => {
    expect(formatColumn("structure", "brick")).toBe("Brick");
    expect(formatColumn("structure", "mud")).toBe("mud");
  });

  test("of other kinds can be read too", () => {
    expect(formatColumn("gated", true)).toBe("yes");
    expect(formatColumn("gated", false)).toBe("no");
    expect(formatColumn("codes", ["A", "B"])).toBe("A, B");
    expect(formatColumn("name", null)).toBe("—");
    expect(formatColumn("name", undefined)).toBe("—");
  });
});

test("layers are named, those without a name by their code", () => {
  expect(label("layer", "building")).toBe("Buildings");
  expect(layerNames("building,pipe_node, road")).toBe("Buildings, pipe_node, road");
});

test("counts leave zeros out", () => {
  expect(formatCounts({ added: 1200, changed: 0, held: 3 })).toBe("added 1,200 · held 3");
});

test.each([
  [["en-GB", "zh-CN"], "en"],
  [["de-DE", "en"], "en"],
  [["zh-TW", "en"], "zh"],
  [["fr"], "zh"],
  [[], "zh"],
])("a browser in %s gets %s", (tags, lang) => {
  expect(chooseLanguage(tags)).toBe(lang);
});
