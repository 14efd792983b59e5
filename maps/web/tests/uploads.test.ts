import { expect, test } from "vitest";

import {
  assignColumn,
  crsLabel,
  missingTargets,
  type Preview,
  proposedMapping,
  targetOf,
} from "../src/data/upload-mapping";
import { setLocale } from "../src/locale";

const PREVIEW = {
  layer: "building",
  source: "楼栋",
  codes_of: null,
  file_layer: "楼栋",
  file_layers: ["楼栋"],
  targets: [
    { name: "code", required: true, units: [], source: "编码", unit: null },
    { name: "height_m", required: false, units: ["m", "cm"], source: "高度", unit: "cm" },
    { name: "name", required: false, units: [], source: null, unit: null },
  ],
} as unknown as Preview;

test("the proposal has the columns that were recognized, and the source of the codes", () => {
  const mapping = proposedMapping(PREVIEW);
  expect(mapping.columns).toEqual({
    code: { source: "编码", unit: null },
    height_m: { source: "高度", unit: "cm" },
  });
  expect(mapping.source).toBe("楼栋");
  expect(proposedMapping({ ...PREVIEW, codes_of: "街道" }).source).toBe("街道");
  expect(mapping).not.toHaveProperty("file_layer");
  expect(proposedMapping({ ...PREVIEW, file_layers: ["a", "楼栋"] }).file_layer).toBe("楼栋");
});

test("a column of the file fills one column of ours", () => {
  const mapping = assignColumn(proposedMapping(PREVIEW), "高度", "name");
  expect(mapping.columns.name).toEqual({ source: "高度" });
  expect(mapping.columns).not.toHaveProperty("height_m");
  expect(targetOf(mapping, "高度")).toBe("name");
  expect(targetOf(assignColumn(mapping, "高度", ""), "高度")).toBe("");
});

test("required columns without a column of the file are missing", () => {
  const mapping = proposedMapping(PREVIEW);
  expect(missingTargets(PREVIEW, mapping)).toEqual([]);
  expect(missingTargets(PREVIEW, assignColumn(mapping, "编码", ""))).toEqual(["code"]);
});

test("coordinate systems are named with their meridian", () => {
  setLocale("en", {
    "data.crs_zone": "zone {meridian}",
    "data.crs_numbered_zone": "numbered zone {meridian}",
    "data.crs_geographic": "{name} degrees",
  });
  expect(crsLabel("EPSG:4546")).toBe("zone 111 (EPSG:4546)");
  expect(crsLabel("EPSG:4525")).toBe("numbered zone 111 (EPSG:4525)");
  expect(crsLabel("EPSG:4490")).toBe("CGCS2000 degrees (EPSG:4490)");
  expect(crsLabel("EPSG:32649")).toBe("EPSG:32649");
});
