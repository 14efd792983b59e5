// The requests of the accounts page.

import type { components } from "../../generated/api";
import { type Answer, allPages, api, bodyOf } from "../http";

export type Account = Answer<"/accounts">["items"][number];
export type AccountValues = Pick<Account, "role" | "scope" | "networks"> &
  Partial<Pick<Account, "grids">>;

export async function fetchAccounts(): Promise<Account[]> {
  const params = { query: { limit: 1000 } };
  const pages = await allPages(bodyOf(api.GET("/accounts", { params })));
  return pages.flatMap(({ items }) => items);
}

export const addAccount = (body: components["schemas"]["AccountRequest"]) =>
  bodyOf(api.POST("/accounts", { body }));

export const changeAccount = (name: string, body: components["schemas"]["AccountChange"]) =>
  bodyOf(api.PATCH("/accounts/{name}", { params: { path: { name } }, body }));

export const resetPassword = (name: string, password: string) =>
  bodyOf(api.PUT("/accounts/{name}/password", { params: { path: { name } }, body: { password } }));
