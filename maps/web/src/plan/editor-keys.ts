// The keys of the editor of a plan.

import type { Tool } from "./selection-tools";

export interface KeyActions {
  step(direction: "undo" | "redo"): void;
  escape(): void;
  /** Do what the tool does at the middle of the map; return whether it does anything. */
  enter(): boolean;
  showNextProblem(): void;
  /** Choose a tool; return whether there are tools. */
  chooseTool(tool: Tool): boolean;
  /** Choose the grid of an index in the list. */
  chooseGrid(index: number): void;
}

const TOOL_KEYS: Record<string, Tool> = {
  v: "click",
  b: "brush",
  l: "lasso",
  r: "rectangle",
  c: "compound",
  e: "eraser",
  s: "border",
};

/** Handle a key that is not typed into a field or a dialog. */
export function handleKey(event: KeyboardEvent, actions: KeyActions): void {
  const isTyped = (event.target as HTMLElement).matches("input, select, textarea");
  if (isTyped || document.querySelector("dialog[open]")) return;
  if (runKey(event, actions)) event.preventDefault();
}

function runKey(event: KeyboardEvent, actions: KeyActions): boolean {
  const isControl = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  const tool = TOOL_KEYS[key];
  if (isControl && key === "z") actions.step(event.shiftKey ? "redo" : "undo");
  else if (isControl && key === "y") actions.step("redo");
  else if (isControl || event.altKey) return false;
  else if (key === "escape") actions.escape();
  else if (key === "enter") return actions.enter();
  else if (key === "n") actions.showNextProblem();
  else if (tool) return actions.chooseTool(tool);
  else if (/^[1-9]$/.test(key)) actions.chooseGrid(Number(key) - 1);
  else return false;
  return true;
}
