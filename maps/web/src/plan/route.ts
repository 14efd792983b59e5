// Addresses of the planner: /plan, /plan/c/COMMUNITY, /plan/p/PLAN (with ?view only to look at),
// /plan/p/PLAN/compare/OTHER.

import { followLinks } from "../staff-page";

export type Place =
  | { page: "list" }
  | { page: "community"; code: string; job: string | null }
  | { page: "plan"; id: number; onlyShown: boolean }
  | { page: "compare"; id: number; other: number };

let follow: (place: Place) => void = () => undefined;

export function whereTo(path = location.pathname, search = location.search): Place {
  const [, , kind, one, , other] = path.split("/");
  if (kind === "c" && one)
    return { page: "community", code: one, job: new URLSearchParams(search).get("job") };
  if (kind === "p" && one && other)
    return { page: "compare", id: Number(one), other: Number(other) };
  if (kind === "p" && one)
    return { page: "plan", id: Number(one), onlyShown: new URLSearchParams(search).has("view") };
  return { page: "list" };
}

export function go(path: string): void {
  history.pushState(null, "", path);
  follow(whereTo());
}

export function onPlace(then: (place: Place) => void): void {
  follow = then;
  window.addEventListener("popstate", () => then(whereTo()));
  followLinks("/plan", go);
}
