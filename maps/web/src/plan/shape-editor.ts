// Shapes drawn on a map corner by corner with terra-draw; loaded when a shape is to be drawn.

import type { Polygon } from "geojson";
import type { Map as LibreMap } from "maplibre-gl";
import {
  TerraDraw,
  TerraDrawPolygonMode,
  TerraDrawRectangleMode,
  TerraDrawSelectMode,
} from "terra-draw";
import { TerraDrawMapLibreGLAdapter } from "terra-draw-maplibre-gl-adapter";

export type ShapeMode = "polygon" | "rectangle" | "select";

const COLOUR = "#8c2f39";
const STYLES = {
  fillColor: COLOUR,
  fillOpacity: 0.2,
  outlineColor: COLOUR,
  outlineWidth: 2.5,
  closingPointColor: COLOUR,
} as const;
const CORNERS = {
  feature: { draggable: true, coordinates: { midpoints: true, draggable: true, deletable: true } },
};

export class ShapeEditor {
  private readonly terraDraw: TerraDraw;

  /** `onFinish` gets each shape when it is closed, and again after a change. */
  constructor(map: LibreMap, onFinish: (shape: Polygon, id: string) => void) {
    this.terraDraw = new TerraDraw({
      adapter: new TerraDrawMapLibreGLAdapter({ map }),
      modes: [
        new TerraDrawPolygonMode({ styles: STYLES }),
        new TerraDrawRectangleMode({
          styles: { fillColor: COLOUR, fillOpacity: 0.2, outlineColor: COLOUR, outlineWidth: 2.5 },
        }),
        new TerraDrawSelectMode({ flags: { polygon: CORNERS, rectangle: CORNERS } }),
      ],
    });
    this.terraDraw.start();
    this.terraDraw.on("finish", (id) => {
      const shape = this.terraDraw.getSnapshotFeature(id)?.geometry;
      if (shape?.type === "Polygon") onFinish(shape as Polygon, String(id));
    });
  }

  setMode(mode: ShapeMode): void {
    this.terraDraw.setMode(mode);
  }

  /** Add shapes drawn before, under the same ids. */
  addShapes(shapes: { id: string; geometry: Polygon }[]): void {
    this.terraDraw.addFeatures(
      shapes.map(({ id, geometry }) => ({
        type: "Feature",
        id,
        geometry,
        properties: { mode: "polygon" },
      })),
    );
  }

  removeShape(id: string): void {
    this.terraDraw.removeFeatures([id]);
  }

  /** Stop drawing and remove all shapes from the map. */
  stop(): void {
    this.terraDraw.stop();
  }
}
