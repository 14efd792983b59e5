// Elements made of text, never of HTML.

export type Child = Node | string | null;

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** A block of the style of some classes. */
export function div(classes: string, ...children: Child[]): HTMLElement {
  return element("div", { class: classes }, ...children);
}

export function elementById(id: string): HTMLElement {
  const node = document.getElementById(id);
  if (!node) throw new Error(`no element #${id}`);
  return node;
}

/** A button with a text or an icon. */
export function button(
  label: Child,
  act: () => void,
  attributes: Record<string, string> = {},
): HTMLButtonElement {
  const node = element("button", { type: "button", ...attributes }, label);
  node.addEventListener("click", act);
  return node;
}

export type Choice = readonly [value: string, label: string];

/** A field to choose one of some values by their labels; at first the chosen one, or the first. */
export function select(
  choices: readonly Choice[],
  chosen?: string,
  choose?: (value: string) => void,
  attributes: Record<string, string> = {},
): HTMLSelectElement {
  const options = choices.map(([value, label]) => element("option", { value }, label));
  const field = element("select", attributes, ...options);
  if (choices.some(([value]) => value === chosen)) field.value = chosen as string;
  if (choose) field.addEventListener("change", () => choose(field.value));
  return field;
}

export function labelled(label: string, field: HTMLElement): HTMLElement {
  return element("label", {}, element("span", {}, label), field);
}

/** The title of a page or panel, with a line below it. */
export function heading(title: Child, below: Child): HTMLElement {
  return div("heading", element("h1", {}, title), element("p", {}, below));
}

/** An icon of a 20 x 20 line drawing. */
export function icon(path: string): SVGSVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(space, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

/** Call back once the current state of the page is painted. */
export function afterPaint(callback: () => void): void {
  requestAnimationFrame(() => window.setTimeout(callback));
}

/** Wait until the texts that have been written are on the screen, so that heavy work can start. */
export async function waitForPaintedText(): Promise<void> {
  await waitForFirstPaint();
  // the first paint may show an earlier text; a second frame starts when the first one is drawn
  for (let frames = 0; frames < 2; frames++) await new Promise<void>(afterPaint);
}

function waitForFirstPaint(): Promise<void> {
  return new Promise((resolve) => {
    if (!PerformanceObserver.supportedEntryTypes.includes("paint")) return resolve();
    const observer = new PerformanceObserver((list) => {
      if (list.getEntriesByName("first-contentful-paint").length === 0) return;
      observer.disconnect();
      resolve();
    });
    observer.observe({ type: "paint", buffered: true });
  });
}

export const delay = (milliseconds: number): Promise<void> =>
  new Promise((done) => void window.setTimeout(done, milliseconds));

/** A list of labels and values; rows without a value are left out. */
export function definitionList(rows: [string, Child][]): HTMLElement {
  const list = element("dl", { class: "facts" });
  for (const [label, value] of rows) {
    if (value !== null && value !== "")
      list.append(element("dt", {}, label), element("dd", {}, value));
  }
  return list;
}

/** Open a dialog, which is removed when it closes. */
export function openDialog(dialog: HTMLDialogElement): void {
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

let hideTimer: number | undefined;

/** Show a message at the foot of the page for a while, with an action if there is one. */
export function notify(
  message: string,
  action?: { label: string; run: () => void },
  kind: "alert" | "calm" = "alert",
): void {
  const notice = elementById("notice");
  const hide = () => {
    notice.hidden = true;
  };
  notice.replaceChildren(element("span", {}, message));
  if (action) {
    const run = () => {
      hide();
      action.run();
    };
    notice.append(button(action.label, run));
  }
  notice.className = kind;
  notice.hidden = false;
  window.clearTimeout(hideTimer);
  hideTimer = window.setTimeout(hide, action ? 20_000 : 8_000);
}
