// An on-screen keypad: digits, or the letters and digits of secrets.

import { button, element } from "../dom";
import { text } from "../locale";

export const DIGITS = "1234567890";
/** The alphabet of the secrets of cases (RFC 4648, base32). */
export const SECRET_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

export interface KeypadOptions {
  label: string;
  characters: string;
  maxLength: number;
  value: string;
  onChange(value: string): void;
}

export function keypad(options: KeypadOptions): HTMLElement {
  const { label, characters, maxLength, onChange } = options;
  let { value } = options;
  const shown = element("output", { "aria-label": label, "aria-live": "polite" });
  const change = (next: string) => {
    value = next.slice(0, maxLength);
    shown.textContent = value.match(/.{1,4}/g)?.join(" ") ?? "";
    onChange(value);
  };
  const keys = [...characters].map((character) =>
    button(character, () => change(value + character)),
  );
  const deleteLast = button("⌫", () => change(value.slice(0, -1)), {
    "aria-label": text("kiosk.delete_last"),
  });
  const clear = button("✕", () => change(""), { "aria-label": text("kiosk.clear") });
  const isWide = characters.length > DIGITS.length;
  change(value);
  return element(
    "div",
    { class: isWide ? "keypad wide" : "keypad", role: "group", "aria-label": label },
    shown,
    ...keys,
    deleteLast,
    clear,
  );
}
