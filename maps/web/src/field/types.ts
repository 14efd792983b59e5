// What the field app stores: the bundle of the server, and entries that are not sent yet.

import type { StyleSpecification } from "maplibre-gl";

import type { Answer } from "../http";

export type Bundle = Answer<"/field/bundle">;
export type Dwelling = Bundle["dwellings"][number];
export type FieldCase = Bundle["cases"][number];
export type Hydrant = Bundle["hydrants"][number];

/** The map around the grids: a PMTiles file, and the style in a language. */
export interface StoredMap {
  version: string;
  tiles: ArrayBuffer;
  style: StyleSpecification;
}

export type EntryKind = "case" | "step" | "visit" | "verification" | "inspection" | "duty";

/** Why the server refused an entry; `current` is its dwelling or hydrant in a conflict. */
export interface Refusal {
  status: number;
  detail: string;
  current?: Dwelling | Hydrant;
}

/** Something that was captured and is not confirmed by the server yet. */
export interface Entry {
  id: number;
  /** Idempotency key: the server carries an entry out once, however often it arrives. */
  key: string;
  kind: EntryKind;
  /** What it is about: a dwelling, hydrant, kind or duty, for people. */
  title: string;
  /** What the device's clock showed at the capture. */
  deviceAt: string;
  fields: Record<string, unknown>;
  /** JPEG files in base64. */
  photos: string[];
  /** What is sent; written down before the first attempt, so that all attempts are alike. */
  body?: Record<string, unknown>;
  refusal?: Refusal;
}

export type Capture = Pick<Entry, "kind" | "title" | "fields"> & { photos?: string[] };
