// The fields of an account: its role, and the region, networks or grids that the role needs.

import { type Choice, element, select } from "../dom";
import { text } from "../locale";
import type { Account, AccountValues } from "./account-api";

const ROLES: Account["role"][] = [
  "planner",
  "fire",
  "utility",
  "importer",
  "grid_manager",
  "office",
  "admin",
];
const NETWORKS = ["water", "sewage", "storm", "combined", "gas", "heat", "power", "telecom"];
/** As on the server (geo.db.accounts). */
const MIN_PASSWORD_CHARACTERS = 12;
const MAX_PASSWORD_CHARACTERS = 200;

export interface Fields<Values> {
  content: HTMLElement[];
  read(): Values;
}

/** The fields of a new account, or of one that changes. */
export function accountFields(account?: Account): Fields<AccountValues> {
  const roles = ROLES.map((name): Choice => [name, text(`session.role_${name}`)]);
  const role = select(roles, account?.role ?? "planner");
  const scope = element("input", {
    inputmode: "numeric",
    pattern: "[0-9]{2,12}",
    maxlength: "12",
    value: account?.scope ?? "",
  });
  const scopeLabel = element("label", {}, text("admin.scope"), scope);
  const ticks = NETWORKS.map((name) => {
    const tick = element("input", { type: "checkbox", value: name });
    tick.checked = account?.networks.includes(name) ?? false;
    return tick;
  });
  const networks = element(
    "fieldset",
    {},
    element("legend", {}, text("admin.networks")),
    ...ticks.map((tick) =>
      element("label", { class: "tick" }, tick, text(`page.network_${tick.value}`)),
    ),
  );
  const grids = element("input", {
    inputmode: "numeric",
    pattern: "\\s*[0-9]{15}(\\s*[,，\\s]\\s*[0-9]{15})*\\s*",
    value: account?.grids.join(" ") ?? "",
  });
  const gridsLabel = element("label", {}, text("admin.grids"), grids);
  const hasScope = () => role.value === "planner" || role.value === "office";
  const hasGrids = () => role.value === "grid_manager";
  const show = () => {
    scopeLabel.hidden = !hasScope();
    scope.required = hasScope();
    scope.disabled = !hasScope();
    networks.hidden = role.value !== "utility";
    gridsLabel.hidden = !hasGrids();
    grids.disabled = !hasGrids();
  };
  role.addEventListener("change", show);
  show();
  return {
    content: [
      element("label", {}, text("admin.column_role"), role),
      scopeLabel,
      networks,
      gridsLabel,
    ],
    read: () => ({
      role: role.value as Account["role"],
      scope: hasScope() ? scope.value.trim() : "",
      networks:
        role.value === "utility"
          ? ticks.filter((tick) => tick.checked).map(({ value }) => value)
          : [],
      ...(hasGrids() ? { grids: grids.value.match(/[0-9]{15}/g) ?? [] } : {}),
    }),
  };
}

/** A field for a new password. */
export function passwordField(key: string): { content: HTMLElement; read(): string } {
  const input = element("input", {
    type: "password",
    required: "",
    minlength: String(MIN_PASSWORD_CHARACTERS),
    maxlength: String(MAX_PASSWORD_CHARACTERS),
    autocomplete: "new-password",
  });
  const hint = text("session.password_rule", { least: MIN_PASSWORD_CHARACTERS });
  return {
    content: element("label", {}, text(key), input, element("small", {}, hint)),
    read: () => input.value,
  };
}
