// The grid and the place that the reader has chosen: on the map, in the card and in the address.

import type { Map as LibreMap, PaddingOptions } from "maplibre-gl";

import { type Extent, fitExtent, fitPadding, isMotionReduced } from "../bounds";
import { elementById, notify } from "../dom";
import { palette } from "../legend";
import { text } from "../locale";
import { Marker } from "../map";
import { selectGrid, waitForStyle } from "../map-style";
import { hidePanel, showGrid } from "./grid-card";
import { fetchGrid, fetchGridAt, type Grid, type Status } from "./public-api";
import { showShareLink } from "./share";
import { formatPlace, isInside, type Place, readSelection, withSelection } from "./view-address";

const PLACE_ZOOM = 16.5;
/** Distance that a chosen place keeps from the header and the card. */
const PLACE_MARGIN_PX = 48;

let pin: Marker | undefined;
let chosenExtent: Extent | undefined;
/** Counts the choices of the reader: answers to earlier ones are dropped. */
let choiceCount = 0;

/** Show what the address names. */
export async function restoreSelection(map: LibreMap, status: Status): Promise<void> {
  const { grid, place } = readSelection(location.search);
  const hasView = location.hash.includes("map=");
  if (place) {
    if (!hasView) map.jumpTo({ center: place, zoom: PLACE_ZOOM });
    placePin(map, place);
  }
  if (grid) await openGridByCode(map, grid, place || hasView ? "stay" : "fit");
  else if (place) await openGridAt(map, place, status);
  if (place) keepInView(map, place);
}

/** Open a grid by its code, as the QR code of its notice board does. */
export async function openGridByCode(
  map: LibreMap,
  code: string,
  view: "fit" | "stay" = "fit",
): Promise<void> {
  const choice = ++choiceCount;
  try {
    const [{ properties, bbox }] = await Promise.all([fetchGrid(code), waitForStyle(map)]);
    if (choice !== choiceCount) return;
    await showCard(map, properties, bbox);
    if (bbox && view === "fit") fitExtent(map, bbox, paddingBesideCard());
  } catch (error) {
    if (choice === choiceCount) notify((error as Error).message);
  }
}

/** Open the card of the grid at a place; return whether it is known that there is none. */
async function openGridAt(map: LibreMap, place: Place, status: Status): Promise<boolean> {
  const choice = ++choiceCount;
  try {
    const [found] = await Promise.all([fetchGridAt(...place, status), waitForStyle(map)]);
    if (choice !== choiceCount) return false;
    if (found) await showCard(map, found.properties, found.bbox, place);
    else closeCard(map);
    return found === null;
  } catch (error) {
    if (choice === choiceCount) notify(text("page.failed", { reason: (error as Error).message }));
    return false;
  }
}

/** Open the grid that the reader clicked. */
export async function openClickedGrid(map: LibreMap, place: Place, status: Status): Promise<void> {
  removePin();
  await openGridAt(map, place, status);
}

/** Mark a place and open its grid. */
export async function goToPlace(
  map: LibreMap,
  place: Place,
  status: Status,
  zoom = PLACE_ZOOM,
): Promise<void> {
  map.jumpTo({ center: place, zoom: Math.max(map.getZoom(), zoom) });
  placePin(map, place);
  rememberSelection({ place });
  const isOutside = await openGridAt(map, place, status);
  if (isOutside) notify(text("page.no_grid_here"), undefined, "calm");
}

/** Go to the position of the reader, if the browser gives it and it is in a city of the atlas. */
export function locateReader(map: LibreMap, cities: Extent[], status: Status): void {
  const choice = choiceCount;
  navigator.geolocation.getCurrentPosition(
    ({ coords: { longitude, latitude } }) => {
      if (choice !== choiceCount) return; // the reader chose something else meanwhile
      const place: Place = [longitude, latitude];
      if (isInside(place, cities)) void goToPlace(map, place, status);
      else notify(text("page.outside_city"), undefined, "calm");
    },
    () => notify(text("page.no_position"), undefined, "calm"),
    { enableHighAccuracy: true, timeout: 10_000 },
  );
}

export function clearSelection(map: LibreMap): void {
  removePin();
  closeCard(map);
}

/** Show the figures of a grid at once, and its manager when loaded, beside a place in the grid. */
async function showCard(
  map: LibreMap,
  grid: Grid,
  extent: Extent | undefined,
  place?: Place,
): Promise<void> {
  const fill = palette(map.getStyle())[grid.colour] ?? "";
  const actions = { close: () => clearSelection(map), share, print: () => printPage(map) };
  chosenExtent = extent;
  selectGrid(map, grid.code);
  rememberSelection({ grid: grid.code });
  showGrid(grid, fill, actions);
  if (place) keepInView(map, place);
  if (grid.status !== "published" || "manager" in grid) return;
  const { properties } = await fetchGrid(grid.code);
  if (elementById("panel").dataset.grid !== grid.code) return;
  showGrid({ ...grid, ...properties }, fill, actions);
  if (place) keepInView(map, place);
}

function closeCard(map: LibreMap): void {
  choiceCount += 1;
  chosenExtent = undefined;
  hidePanel();
  rememberSelection({ grid: null });
  if (map.getLayer("grid-selected")) selectGrid(map, "");
}

function share(): void {
  const { grid, place } = readSelection(location.search);
  void showShareLink(grid ?? "", place ? formatPlace(place) : "");
}

/** Print once the map shows the whole grid. */
function printPage(map: LibreMap): void {
  showOnPaper(map);
  map.once("idle", () => window.print());
}

/** Lay the map out as on paper, with the whole of the chosen grid. */
export function showOnPaper(map: LibreMap): void {
  if (!chosenExtent) return;
  document.body.classList.add("printing");
  map.resize();
  map.fitBounds(chosenExtent, { padding: 24, maxZoom: 18, duration: 0 });
  map.redraw();
}

/** Undo `showOnPaper`. */
export function leavePaper(map: LibreMap): void {
  if (!document.body.classList.contains("printing")) return;
  document.body.classList.remove("printing");
  map.resize();
  if (chosenExtent) map.fitBounds(chosenExtent, { padding: paddingBesideCard(), duration: 0 });
}

function rememberSelection(change: { grid?: string | null; place?: Place | null }): void {
  const selection = { ...readSelection(location.search), ...change };
  const query = withSelection(location.search, selection);
  history.replaceState(history.state, "", location.pathname + query + location.hash);
}

function placePin(map: LibreMap, place: Place): void {
  pin?.remove();
  pin = new Marker({ color: "#c8102e" }).setLngLat(place).addTo(map);
}

function removePin(): void {
  pin?.remove();
  pin = undefined;
  rememberSelection({ place: null });
}

/** Move the map so that the card does not cover a place. */
function keepInView(map: LibreMap, place: Place): void {
  const { top, bottom } = uncoveredRows();
  const { y } = map.project(place);
  if (y >= top + PLACE_MARGIN_PX && y <= bottom - PLACE_MARGIN_PX / 2) return;
  map.panBy([0, y - (top + bottom) / 2], { duration: isMotionReduced() ? 0 : 300 });
}

/** The rows of the screen between the header and the card, which is at the foot on phones. */
function uncoveredRows(): { top: number; bottom: number } {
  const panel = elementById("panel");
  const isAtFoot = !panel.hidden && panel.clientWidth > innerWidth * 0.9;
  const bottom = isAtFoot ? panel.getBoundingClientRect().top : innerHeight;
  const isWide = elementById("bar").clientWidth > innerWidth / 2;
  return { top: isWide ? elementById("bar").getBoundingClientRect().bottom : 0, bottom };
}

function paddingBesideCard(): PaddingOptions {
  const { bottom = 0, ...padding } = fitPadding();
  return { ...padding, bottom: Math.max(bottom, innerHeight - uncoveredRows().bottom + 18) };
}
