// The phone's database, one for each account: the bundle and the map in `state`, encrypted entries in
// `outbox`, and encrypted texts of open forms in `drafts`.

import { type DBSchema, type IDBPDatabase, openDB } from "idb";

import { importKey, open, type Sealed, seal } from "./seal";
import type { Bundle, Entry, StoredMap } from "./types";

interface Tables extends DBSchema {
  state: { key: "bundle" | "sync" | "map"; value: Bundle | SyncState | StoredMap };
  outbox: { key: number; value: Sealed & { id?: number } };
  drafts: { key: string; value: Sealed };
}

/** The last exchange with the server; `offset` is its clock minus the device's, milliseconds. */
export interface SyncState {
  etag: string;
  language: string;
  syncedAt: string;
  offset: number;
}

const NO_SYNC: SyncState = { etag: "", language: "", syncedAt: "", offset: 0 };

let database: IDBPDatabase<Tables>;
let key: CryptoKey | undefined;

export let bundle: Bundle | undefined;
export let sync: SyncState = NO_SYNC;
export let storedMap: StoredMap | undefined;

/** Open the database of an account and read the bundle. */
export async function openStore(account: string): Promise<void> {
  database = await openDB<Tables>(`gridatlas.field.${account}`, 1, {
    upgrade(created) {
      created.createObjectStore("state");
      created.createObjectStore("outbox", { keyPath: "id", autoIncrement: true });
      created.createObjectStore("drafts");
    },
  });
  bundle = (await database.get("state", "bundle")) as Bundle | undefined;
  if (bundle) bundle.hydrants ??= []; // missing where an earlier version of the app stored it
  sync = ((await database.get("state", "sync")) as SyncState | undefined) ?? NO_SYNC;
  storedMap = (await database.get("state", "map")) as StoredMap | undefined;
  key = bundle && (await importKey(bundle.device_key));
}

export async function storeBundle(received: Bundle, state: SyncState): Promise<void> {
  const transaction = database.transaction("state", "readwrite");
  await transaction.store.put(received, "bundle");
  await transaction.store.put(state, "sync");
  await transaction.done;
  bundle = received;
  sync = state;
  key = await importKey(received.device_key);
}

export async function storeSync(state: SyncState): Promise<void> {
  await database.put("state", state, "sync");
  sync = state;
}

export async function storeMap(received: StoredMap): Promise<void> {
  await database.put("state", received, "map");
  storedMap = received;
}

/** Delete the bundle, the map and the key; encrypted entries stay, unreadable until the next sign-in. */
export async function wipe(): Promise<void> {
  await database.clear("state");
  bundle = undefined;
  storedMap = undefined;
  sync = NO_SYNC;
  key = undefined;
}

/** Close the store after wiping it, for another account. */
export function closeStore(): void {
  database.close();
}

/** Store an entry; when this returns, it survives the end of the page. */
export async function addEntry(entry: Omit<Entry, "id">): Promise<void> {
  const sealed = await seal(key!, entry);
  const transaction = database.transaction("outbox", "readwrite", { durability: "strict" });
  await transaction.store.add(sealed);
  await transaction.done;
}

export async function updateEntry(entry: Entry): Promise<void> {
  const sealed = await seal(key!, entry);
  const transaction = database.transaction("outbox", "readwrite", { durability: "strict" });
  await transaction.store.put({ ...sealed, id: entry.id });
  await transaction.done;
}

export async function deleteEntry(id: number): Promise<void> {
  await database.delete("outbox", id);
}

/** The entries that are not confirmed yet, the oldest first; none without the key. */
export async function readEntries(): Promise<Entry[]> {
  if (!key) return [];
  const current = key;
  const rows = await database.getAll("outbox");
  const entries = await Promise.all(
    rows.map(async (row) =>
      open<Omit<Entry, "id">>(current, row)
        .then((entry) => ({ ...entry, id: row.id! }))
        .catch(() => null),
    ),
  );
  return entries.filter((entry) => entry !== null);
}

/** How many entries are stored, also those that cannot be read without the key. */
export async function countEntries(): Promise<number> {
  return await database.count("outbox");
}

export type Draft = Record<string, string>;

export async function storeDraft(form: string, draft: Draft): Promise<void> {
  if (key) await database.put("drafts", await seal(key, draft), form);
}

export async function readDraft(form: string): Promise<Draft> {
  const sealed = await database.get("drafts", form);
  if (!sealed || !key) return {};
  return await open<Draft>(key, sealed).catch(() => ({}));
}

export async function deleteDraft(form: string): Promise<void> {
  await database.delete("drafts", form);
}
