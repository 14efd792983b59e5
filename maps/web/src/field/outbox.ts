// The outbox: what was captured, sent in order, each until the server confirms or refuses it.

import { addEntry, bundle, deleteEntry, readEntries, sync, updateEntry } from "./store";
import { send, UnreachableError } from "./transport";
import type { Capture, Dwelling, Entry, EntryKind, FieldCase, Refusal } from "./types";

/** The earliest time of an entry that the server accepts. */
const EARLIEST = "2000-01-02";

/** The server's time at a moment of the device's clock, as far as the last exchange tells. */
export function serverTime(deviceAt: string, offset = sync.offset): string {
  return new Date(Date.parse(deviceAt) + offset).toISOString();
}

/**
 * When something was captured, by the server's time. A clock that was changed since the capture can
 * lead to a time that the server refuses for good: then it is the time of sending.
 */
function captureTime(deviceAt: string): string {
  const corrected = serverTime(deviceAt);
  const now = serverTime(new Date().toISOString());
  return corrected < EARLIEST || corrected > now ? now : corrected;
}

/** Store what was captured, with a new idempotency key. */
export async function capture({ kind, title, fields, photos = [] }: Capture): Promise<void> {
  const deviceAt = new Date().toISOString();
  await addEntry({ key: crypto.randomUUID(), kind, title, deviceAt, fields, photos });
}

/**
 * Send everything that waits; return how many entries the server confirmed. An entry at which the
 * server fails does not hold up the others.
 */
export async function sendEntries(): Promise<number> {
  let confirmed = 0;
  let fault: UnreachableError | undefined;
  for (const entry of await readEntries()) {
    if (entry.refusal) continue;
    try {
      if (await sendEntry(entry)) confirmed += 1;
    } catch (error) {
      if (!(error instanceof UnreachableError && error.isFault)) throw error;
      fault = error;
    }
  }
  if (fault) throw fault;
  return confirmed;
}

/** Send an entry; return whether it is confirmed. A refusal stays in the outbox. */
async function sendEntry(entry: Entry): Promise<boolean> {
  if (!entry.body) {
    entry.body = COMPOSE[entry.kind](entry);
    await updateEntry(entry);
  }
  const isForm = entry.kind === "case" || entry.kind === "step";
  const response = await send(pathOf(entry), {
    method: entry.kind === "duty" ? "PUT" : "POST",
    headers: {
      "Idempotency-Key": entry.key,
      ...(isForm ? {} : { "Content-Type": "application/json" }),
    },
    body: isForm ? formOf(entry) : JSON.stringify(entry.body),
  });
  if (response.ok) {
    await deleteEntry(entry.id);
    return true;
  }
  const problem = (await response.json().catch(() => ({}))) as Partial<Refusal>;
  const refusal: Refusal = {
    status: response.status,
    detail: problem.detail ?? response.statusText,
  };
  if (problem.current) refusal.current = problem.current;
  await updateEntry({ ...entry, refusal });
  return false;
}

/** Send a refused entry anew; in a conflict on top of the server's version. */
export async function sendAgain(entry: Entry): Promise<void> {
  const { body: _, refusal, ...rest } = entry;
  const current = caseOf(entry);
  const other = refusal?.current;
  const seen = {
    ...(other && { seen: "version" in other ? other.version : other.inspection }),
    ...(current && { revision: current.revision }),
  };
  await updateEntry({ ...rest, key: crypto.randomUUID(), fields: { ...rest.fields, ...seen } });
}

/** Whether a verification of a dwelling waits. */
export function isVerificationWaiting(entries: Entry[], dwelling: string): boolean {
  return entries.some(
    (entry) => entry.kind === "verification" && entry.fields.dwelling === dwelling,
  );
}

/** The dwelling of an entry as the bundle has it. */
export function dwellingOf(entry: Entry): Dwelling | undefined {
  return bundle?.dwellings.find((dwelling) => dwelling.code === entry.fields.dwelling);
}

/** The case of a step as the bundle has it now. */
export function caseOf({ kind, fields }: Entry): FieldCase | undefined {
  return kind === "step"
    ? bundle?.cases.find((serviceCase) => serviceCase.number === fields.number)
    : undefined;
}

function pathOf({ kind, fields }: Entry): string {
  if (kind === "verification")
    return `/field/dwellings/${encodeURIComponent(String(fields.dwelling))}/verification`;
  if (kind === "inspection")
    return `/field/hydrants/${encodeURIComponent(String(fields.hydrant))}/inspection`;
  if (kind === "step") return `/casework/cases/${fields.number}/steps`;
  return { case: "/casework/cases", visit: "/casework/visits", duty: "/casework/duties" }[kind];
}

/** The requests of entries, with times by the server's clock as the device knows it. */
const COMPOSE: Record<EntryKind, (entry: Entry) => Record<string, unknown>> = {
  case: ({ fields, deviceAt }) => ({
    ...fields,
    channel: "field",
    captured_at: captureTime(deviceAt),
    device_at: deviceAt,
  }),
  step: ({ fields: { number: _, ...step } }) => step,
  visit: ({ fields, deviceAt }) => ({
    ...fields,
    visited_at: fields.visited_at || captureTime(deviceAt),
    device_at: deviceAt,
  }),
  verification: ({ fields: { seen, changes }, deviceAt }) => ({
    seen,
    changes,
    verified_at: captureTime(deviceAt),
    device_at: deviceAt,
  }),
  inspection: ({ fields: { hydrant: _, ...values }, deviceAt }) => ({
    ...values,
    inspected_at: captureTime(deviceAt),
    device_at: deviceAt,
  }),
  duty: ({ fields }) => fields,
};

function formOf({ body, photos }: Entry): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(body!)) form.set(name, String(value));
  photos.forEach((photo, index) => {
    const bytes = Uint8Array.from(atob(photo), (letter) => letter.charCodeAt(0));
    form.append("photos", new Blob([bytes], { type: "image/jpeg" }), `${index + 1}.jpg`);
  });
  return form;
}
