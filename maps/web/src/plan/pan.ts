// Moving the map under every tool: drag with the middle or right button, or with Space held.

import type { Map as LibreMap } from "maplibre-gl";

const [LEFT, MIDDLE, RIGHT] = [0, 1, 2];

/** Let the map be dragged whatever tool is chosen; `signal` ends it. */
export function attachPan(map: LibreMap, signal: AbortSignal): void {
  const container = map.getContainer();
  const canvas = map.getCanvas();
  let isSpaceHeld = false;
  let last: { x: number; y: number } | null = null;
  let isClickExpected = false;
  let cursor = "";

  const stop = (event: Event) => {
    event.preventDefault();
    event.stopPropagation();
  };
  const showHand = (isShown: boolean) => {
    if (isShown && canvas.style.cursor !== "grab") cursor = canvas.style.cursor;
    canvas.style.cursor = isShown ? "grab" : cursor;
  };
  const options = { capture: true, signal };
  container.addEventListener(
    "mousedown",
    (event) => {
      isClickExpected = false;
      const isPan =
        event.button === MIDDLE || event.button === RIGHT || (event.button === LEFT && isSpaceHeld);
      if (!isPan) return;
      stop(event);
      last = { x: event.clientX, y: event.clientY };
      isClickExpected = event.button === LEFT;
    },
    options,
  );
  window.addEventListener(
    "mousemove",
    (event) => {
      if (!last) return;
      stop(event);
      map.panBy([last.x - event.clientX, last.y - event.clientY], { duration: 0 });
      last = { x: event.clientX, y: event.clientY };
    },
    options,
  );
  window.addEventListener(
    "mouseup",
    (event) => {
      if (last) stop(event);
      last = null;
    },
    options,
  );
  container.addEventListener(
    "click",
    (event) => {
      if (isClickExpected) stop(event);
      isClickExpected = false;
    },
    options,
  );
  container.addEventListener("contextmenu", (event) => event.preventDefault(), options);
  document.addEventListener(
    "keydown",
    (event) => {
      const isOverMap = container.matches(":hover");
      if (event.key !== " " || !isOverMap || isTyping(event.target)) return;
      stop(event);
      isSpaceHeld = true;
      showHand(true);
    },
    options,
  );
  document.addEventListener(
    "keyup",
    (event) => {
      if (event.key !== " " || !isSpaceHeld) return;
      stop(event);
      isSpaceHeld = false;
      showHand(false);
    },
    options,
  );
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input, select, textarea");
}
