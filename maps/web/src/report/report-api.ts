// The requests of residents: report, follow up, rate, what is nearby.

import { type Answer, api, bodyOf, isOffline, ProblemError, request } from "../http";

export type Kind = Answer<"/reports/kinds">["kinds"][number];
export type Filed = Answer<"/reports", "post">;
export type FollowUp = Answer<"/reports/{number}">;
export type Nearby = Answer<"/reports/nearby">["items"];

/** What follows a case up. */
export interface Ticket {
  number: string;
  secret: string;
}

export const MAX_PHOTOS = 4;
const KEY_BYTES = 16;
const DEVICE_KEY = "gridatlas.device";

export async function fetchKinds(): Promise<Kind[]> {
  return (await bodyOf(api.GET("/reports/kinds"))).kinds;
}

export async function fetchNearby(lon: number, lat: number, radius: number): Promise<Nearby> {
  return (await bodyOf(api.GET("/reports/nearby", { params: { query: { lon, lat, radius } } })))
    .items;
}

export const fetchCase = ({ number, secret }: Ticket): Promise<FollowUp> =>
  bodyOf(
    api.GET("/reports/{number}", {
      params: { path: { number }, header: { "Case-Secret": secret } },
    }),
  );

/** The link that follows a case up, and its QR code. */
export const fetchLink = ({ number, secret }: Ticket) =>
  bodyOf(
    api.GET("/reports/{number}/link", {
      params: { path: { number }, header: { "Case-Secret": secret } },
    }),
  );

/** Text fields and photos of a request. */
export interface Message {
  fields: Record<string, string>;
  photos: Blob[];
}

/**
 * Sends requests that the server carries out once: while a message stays the same it is sent with
 * the same key, also after a failure whose outcome is unknown.
 */
export class OnceSender {
  private fingerprint = "";
  private photos: Blob[] = [];
  private key = "";

  async send<Body>(path: string, message: Message, ticket?: Ticket): Promise<Body> {
    this.chooseKey(path, message);
    const body = new FormData();
    for (const [name, value] of Object.entries(message.fields)) {
      if (value !== "") body.set(name, value);
    }
    for (const photo of message.photos) body.append("photos", photo, "photo.jpg");
    const headers: Record<string, string> = { "Idempotency-Key": this.key };
    if (ticket) headers["Case-Secret"] = ticket.secret;
    else headers["Device-Token"] = deviceToken();
    const response = await request(path, { method: "POST", body, headers });
    this.fingerprint = "";
    return (await response.json()) as Body;
  }

  private chooseKey(path: string, { fields, photos }: Message): void {
    const fingerprint = JSON.stringify([path, fields]);
    const isSame =
      fingerprint === this.fingerprint &&
      photos.length === this.photos.length &&
      photos.every((photo, index) => photo === this.photos[index]);
    if (isSame) return;
    this.fingerprint = fingerprint;
    this.photos = photos;
    this.key = createKey();
  }
}

function createKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The random token by which the server limits the reports of this browser; it says nothing else. */
function deviceToken(): string {
  try {
    const stored = localStorage.getItem(DEVICE_KEY);
    if (stored) return stored;
    localStorage.setItem(DEVICE_KEY, createKey());
    return localStorage.getItem(DEVICE_KEY) ?? "";
  } catch {
    return ""; // storage is blocked: the address alone is counted
  }
}

/** Whether it is unknown if the server carried the request out: sending it again is right. */
export function isUnsettled(error: unknown): boolean {
  return isOffline(error) || (error instanceof ProblemError && error.status >= 502);
}

/** Messages of an error by the field that they are about; "" is the form as a whole. */
export function messagesByField(error: unknown, message: Message): Record<string, string> {
  if (!(error instanceof ProblemError)) return { "": (error as Error).message };
  const { errors, type } = error.document as { errors?: FieldError[]; type?: string };
  if (errors) {
    return Object.fromEntries(errors.map(({ loc, msg }) => [fieldOf(String(loc[1] ?? "")), msg]));
  }
  return { [fieldOfProblem(String(type ?? ""), error.status, message)]: error.message };
}

interface FieldError {
  loc: (string | number)[];
  msg: string;
}

const fieldOf = (name: string): string => (name === "lon" || name === "lat" ? "place" : name);

function fieldOfProblem(type: string, status: number, { fields }: Message): string {
  const key = type.split(":").at(-1) ?? "";
  if (key === "case_place_outside") return "place";
  if (key === "case_kind_unknown") return "kind";
  if (key === "case_unknown_to_reporter") return "number";
  if (key.startsWith("photo") || status === 413) return "photos";
  if (key === "case_text_markup") {
    return Object.keys(fields).find((name) => /<[A-Za-z/!]/.test(fields[name] ?? "")) ?? "";
  }
  return "";
}
