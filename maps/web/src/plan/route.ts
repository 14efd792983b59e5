// Addresses of the planner: /plan, /plan/c/COMMUNITY, /plan/p/PLAN (with ?view read-only),
// /plan/p/PLAN/compare/OTHER, /plan/what-if, /plan/what-if/JOB, /plan/staff.

import { followLinks } from "../staff-page";

export type Place =
  | { page: "list" }
  | { page: "staff" }
  | { page: "what-if"; communities: string[]; job: number | null }
  | { page: "what-if-result"; job: number }
  | { page: "community"; code: string; job: number | null }
  | { page: "plan"; id: number; isReadOnly: boolean }
  | { page: "compare"; id: number; other: number };

let navigate: (place: Place) => void = () => undefined;

/** The place that an address names; the list where it names none. */
export function parsePlace(path: string, search: string): Place {
  const [, , kind, id, , other] = path.split("/");
  const query = new URLSearchParams(search);
  if (kind === "c" && id) {
    return { page: "community", code: id, job: Number(query.get("job")) || null };
  }
  if (kind === "what-if" && id) return { page: "what-if-result", job: Number(id) };
  if (kind === "what-if") {
    const job = Number(query.get("job")) || null;
    return { page: "what-if", communities: query.getAll("community"), job };
  }
  if (kind === "p" && id && other) {
    return { page: "compare", id: Number(id), other: Number(other) };
  }
  if (kind === "p" && id) return { page: "plan", id: Number(id), isReadOnly: query.has("view") };
  return { page: kind === "staff" ? "staff" : "list" };
}

export function currentPlace(): Place {
  return parsePlace(location.pathname, location.search);
}

export function goTo(path: string): void {
  history.pushState(null, "", path);
  navigate(currentPlace());
}

/** Call back for each place that links, buttons and the browser's history lead to. */
export function onNavigate(callback: (place: Place) => void): void {
  navigate = callback;
  window.addEventListener("popstate", () => callback(currentPlace()));
  followLinks("/plan", goTo);
}
