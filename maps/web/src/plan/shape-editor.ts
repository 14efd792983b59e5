// Shapes drawn on a map corner by corner, by terra-draw: loaded only when somebody draws one.

import type { Polygon } from "geojson";
import type { Map as LibreMap } from "maplibre-gl";
import {
  TerraDraw,
  TerraDrawPolygonMode,
  TerraDrawRectangleMode,
  TerraDrawSelectMode,
} from "terra-draw";
import { TerraDrawMapLibreGLAdapter } from "terra-draw-maplibre-gl-adapter";

export type PenMode = "polygon" | "rectangle" | "select";

const INK = "#8c2f39";
const STYLES = {
  fillColor: INK,
  fillOpacity: 0.2,
  outlineColor: INK,
  outlineWidth: 2.5,
  closingPointColor: INK,
} as const;
const CORNERS = {
  feature: { draggable: true, coordinates: { midpoints: true, draggable: true, deletable: true } },
};

export class Pen {
  private readonly drawing: TerraDraw;

  /** `finished` is told each shape when it closes, and again after it was changed. */
  constructor(map: LibreMap, finished: (shape: Polygon, id: string) => void) {
    this.drawing = new TerraDraw({
      adapter: new TerraDrawMapLibreGLAdapter({ map }),
      modes: [
        new TerraDrawPolygonMode({ styles: STYLES }),
        new TerraDrawRectangleMode({
          styles: { fillColor: INK, fillOpacity: 0.2, outlineColor: INK, outlineWidth: 2.5 },
        }),
        new TerraDrawSelectMode({ flags: { polygon: CORNERS, rectangle: CORNERS } }),
      ],
    });
    this.drawing.start();
    this.drawing.on("finish", (id) => {
      const shape = this.drawing.getSnapshotFeature(id)?.geometry;
      if (shape?.type === "Polygon") finished(shape as Polygon, String(id));
    });
  }

  draw(mode: PenMode): void {
    this.drawing.setMode(mode);
  }

  /** Bring back shapes of before, and let them keep their names. */
  restore(shapes: { id: string; geometry: Polygon }[]): void {
    this.drawing.addFeatures(
      shapes.map(({ id, geometry }) => ({
        type: "Feature",
        id,
        geometry,
        properties: { mode: "polygon" },
      })),
    );
  }

  /** Take a shape away. */
  erase(id: string): void {
    this.drawing.removeFeatures([id]);
  }

  /** Put the pen down, and take its shapes off the map. */
  put(): void {
    this.drawing.stop();
  }
}
