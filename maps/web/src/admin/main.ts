// Accounts: add, change, disable and enable them, and set their passwords.

import { button, div, element, elementById, heading, notify } from "../dom";
import { openFormDialog } from "../form-dialog";
import { formatDateTime, text } from "../locale";
import { session } from "../session";
import { openStaffPage, runPage } from "../staff-page";
import {
  type Account,
  addAccount,
  changeAccount,
  fetchAccounts,
  resetPassword,
} from "./account-api";
import { accountFields, passwordField } from "./account-form";
import "../staff-page.css";
import "./admin.css";

async function start(): Promise<void> {
  await openStaffPage({
    page: "admin",
    role: "admin",
    title: "session.accounts",
    tour: () => "admin",
  });
  await show();
}

let requestCount = 0;

async function show(): Promise<void> {
  const count = ++requestCount;
  const accounts = await fetchAccounts();
  if (count !== requestCount) return;
  elementById("side").replaceChildren(
    heading(text("session.accounts"), text("admin.help")),
    div("actions", button(text("admin.add"), openAddDialog, { class: "primary" })),
    accountTable(accounts),
  );
}

function accountTable(accounts: Account[]): HTMLElement {
  const columns = ["name", "role", "region", "state", "since", "actions"];
  const head = columns.map((name) => element("th", { scope: "col" }, text(`admin.column_${name}`)));
  const rows = accounts.map((account) => accountRow(account));
  return element(
    "div",
    { class: "table", tabindex: "0", role: "region", "aria-label": text("session.accounts") },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...head)),
      element("tbody", {}, ...rows),
    ),
  );
}

function accountRow(account: Account): HTMLElement {
  const { name, role, scope, networks, grids, active, has_password, created_at } = account;
  const state = [
    text(active ? "admin.active" : "admin.disabled"),
    has_password ? "" : text("admin.by_provider"),
  ];
  const cells = [
    element("th", { scope: "row" }, name),
    element("td", {}, text(`session.role_${role}`)),
    element(
      "td",
      {},
      role === "grid_manager"
        ? grids.join(" ")
        : scope || networks.map((network) => text(`page.network_${network}`)).join(" "),
    ),
    element("td", {}, state.filter(Boolean).join(" · ")),
    element("td", {}, formatDateTime(created_at)),
    element("td", { class: "ways" }, ...accountActions(account)),
  ];
  return element("tr", active ? {} : { class: "disabled" }, ...cells);
}

function accountActions(account: Account): HTMLElement[] {
  const { name, active } = account;
  const action = (key: string, run: () => void) =>
    button(text(`admin.${key}`), run, {
      class: "quiet",
      "aria-label": `${text(`admin.${key}`)}: ${name}`,
    });
  const isOwn = session()?.name === name;
  return [
    action("change", () => openChangeDialog(account)),
    action("reset", () => openResetDialog(name)),
    ...(isOwn ? [] : [action(active ? "disable" : "enable", () => void setActive(name, !active))]),
  ];
}

async function setActive(name: string, active: boolean): Promise<void> {
  if (!active && !confirm(text("admin.disable_question", { name }))) return;
  try {
    await changeAccount(name, { active });
    await show();
  } catch (error) {
    notify((error as Error).message);
  }
}

function openAddDialog(): void {
  const name = element("input", { required: "", maxlength: "200", autocomplete: "off" });
  const fields = accountFields();
  const password = passwordField("session.password");
  openFormDialog({
    title: text("admin.add"),
    content: [
      element("label", {}, text("admin.column_name"), name),
      ...fields.content,
      password.content,
    ],
    action: text("admin.add"),
    confirm: async () => {
      await addAccount({ name: name.value.trim(), ...fields.read(), password: password.read() });
      await show();
      notify(text("admin.added", { name: name.value.trim() }), undefined, "calm");
    },
  });
}

function openChangeDialog(account: Account): void {
  const fields = accountFields(account);
  openFormDialog({
    title: text("admin.change_account", { name: account.name }),
    content: [element("p", {}, text("admin.sessions_end")), ...fields.content],
    action: text("page.save"),
    confirm: async () => {
      await changeAccount(account.name, fields.read());
      await show();
    },
  });
}

function openResetDialog(name: string): void {
  const password = passwordField("session.password");
  openFormDialog({
    title: text("admin.reset_account", { name }),
    content: [element("p", {}, text("admin.sessions_end")), password.content],
    action: text("page.save"),
    confirm: async () => {
      await resetPassword(name, password.read());
      notify(text("admin.password_set", { name }), undefined, "calm");
      await show();
    },
  });
}

runPage(start);
