// The script of atlas pages beside folium's own: Leaflet, popups, and the link between the table of
// grids and the map.

import L from "leaflet";
import "leaflet/dist/leaflet.css";
import "./atlas.css";

/** The content of a popup: a title, and rows of a label and a value. */
interface Card {
  code?: string;
  title: string;
  rows: [string, string][];
  href?: string;
  link?: string;
}

// folium sets the icon of a marker after creating it; an empty one keeps Leaflet from requesting
// its default picture meanwhile
L.Marker.prototype.options.icon = L.divIcon();

const areas = new Map<string, L.Polygon>();

/** Bind a popup to a feature; folium calls this for each. */
function card(feature: GeoJSON.Feature, layer: L.Layer): void {
  const about = feature.properties as Card;
  layer.bindPopup(() => popupContent(about), { maxWidth: 300 });
  if (about.code && layer instanceof L.Polygon) areas.set(about.code, layer);
}

/** Add the scale, and let each row of the table show its area on the map. */
function connectTable(map: L.Map): void {
  L.control.scale({ imperial: false, maxWidth: 120 }).addTo(map);
  map.attributionControl.setPrefix("");
  for (const row of document.querySelectorAll<HTMLElement>("tr[data-code]")) {
    const area = areas.get(row.dataset.code ?? "");
    if (!area) continue;
    row.addEventListener("mouseenter", () => area.setStyle({ weight: 4 }));
    row.addEventListener("mouseleave", () => area.setStyle({ weight: 1.4 }));
    row.addEventListener("click", (event) => {
      if (event.target instanceof HTMLAnchorElement) return;
      map.fitBounds(area.getBounds(), { maxZoom: 18 });
      area.openPopup();
    });
  }
  const fitted = map.getZoom();
  map.on("zoomend", () => map.getContainer().classList.toggle("far", map.getZoom() < fitted - 0.5));
}

/** Restore braces, which come as U+0001 because folium would interpret them (maps/atlas/offline_map.py). */
function restoreBraces(name: string): string {
  return name.replaceAll("\u0001", "{");
}

function popupContent(about: Card): HTMLElement {
  const box = document.createElement("div");
  box.className = "card";
  box.append(
    Object.assign(document.createElement("h3"), { textContent: restoreBraces(about.title) }),
  );
  const list = document.createElement("dl");
  for (const [label, value] of about.rows) {
    list.append(
      Object.assign(document.createElement("dt"), { textContent: restoreBraces(label) }),
      Object.assign(document.createElement("dd"), { textContent: restoreBraces(value) }),
    );
  }
  box.append(list);
  if (about.href) {
    const link = { href: about.href, textContent: about.link ?? "" };
    box.append(Object.assign(document.createElement("a"), link));
  }
  return box;
}

Object.assign(window, { L, gridatlas: { card, connectTable } });
