// How an uploaded file is read: the proposal of the server, and what a clerk changes in it.

import type { components } from "../../generated/api";
import type { Answer } from "../http";
import { text } from "../locale";

export type Preview = Answer<"/imports/uploads/{upload}">;
export type UploadMapping = components["schemas"]["UploadMapping"];

const FIRST_ZONE = 4534;
const FIRST_NUMBERED_ZONE = 4513;
const ZONES = 21;
const FIRST_MERIDIAN_DEGREES = 75;
const ZONE_DEGREES = 3;
const GEOGRAPHIC: Record<string, string> = { "EPSG:4490": "CGCS2000", "EPSG:4326": "WGS 84" };

/** The mapping that the server proposes; its source is that of the codes where these are known. */
export function proposedMapping(preview: Preview): UploadMapping {
  const columns: UploadMapping["columns"] = {};
  for (const { name, source, unit } of preview.targets) {
    if (source !== null) columns[name] = { source, unit };
  }
  return {
    layer: preview.layer,
    source: preview.codes_of ?? preview.source,
    columns,
    ...(preview.file_layers.length > 1 ? { file_layer: preview.file_layer } : {}),
  };
}

/** The column of ours that a column of the file fills, or nothing. */
export function targetOf({ columns }: UploadMapping, source: string): string {
  return Object.entries(columns).find(([, rule]) => rule.source === source)?.[0] ?? "";
}

/** The mapping after a column of the file is to fill another of ours, or none. */
export function assignColumn(
  mapping: UploadMapping,
  source: string,
  target: string,
): UploadMapping {
  const others = Object.entries(mapping.columns).filter(
    ([name, rule]) => rule.source !== source && name !== target,
  );
  const columns = Object.fromEntries(others);
  return { ...mapping, columns: target ? { ...columns, [target]: { source } } : columns };
}

/** The required columns of ours that no column of the file fills. */
export function missingTargets({ targets }: Preview, { columns }: UploadMapping): string[] {
  return targets
    .filter(({ name, required }) => required && !columns[name]?.source)
    .map(({ name }) => name);
}

/** A coordinate system as a person knows it. */
export function crsLabel(code: string): string {
  if (code === "gcj02" || code === "bd09") return text(`data.crs_${code}`);
  const name = GEOGRAPHIC[code];
  if (name) return `${text("data.crs_geographic", { name })} (${code})`;
  const number = Number(code.replace("EPSG:", ""));
  const isNumbered = number < FIRST_ZONE;
  const zone = number - (isNumbered ? FIRST_NUMBERED_ZONE : FIRST_ZONE);
  if (!(zone >= 0 && zone < ZONES)) return code;
  const meridian = FIRST_MERIDIAN_DEGREES + ZONE_DEGREES * zone;
  return `${text(isNumbered ? "data.crs_numbered_zone" : "data.crs_zone", { meridian })} (${code})`;
}
