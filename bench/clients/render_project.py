"""Open a QGIS project without a screen, draw it, and print what is seen as JSON.

Run by the Python of the system, which has QGIS: ``python3 render_project.py PROJECT PICTURE``.
"""

import json
import sys
from collections import Counter
from xml.etree import ElementTree

from qgis.core import (
    QgsApplication,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsRectangle,
)
from qgis.PyQt.QtCore import QSize

SIZE_PIXELS = (1200, 900)


def canvas_extent(project: str) -> QgsRectangle:
    """Return the extent that a project opens with, which only the window of QGIS reads."""
    tree = ElementTree.parse(project)  # noqa: S314 -- of our own server
    extent = tree.find("mapcanvas[@name='theMapCanvas']/extent")
    assert extent is not None
    sides = [float(extent.findtext(side, "nan")) for side in ("xmin", "ymin", "xmax", "ymax")]
    return QgsRectangle(*sides)


def main() -> None:
    """Draw the project of the first argument into the picture of the second."""
    application = QgsApplication([], False)
    application.initQgis()
    project = QgsProject.instance()
    is_read = project.read(sys.argv[1])
    layers = project.layerTreeRoot().layerOrder()
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setDestinationCrs(project.crs())
    settings.setExtent(canvas_extent(sys.argv[1]))
    settings.setOutputSize(QSize(*SIZE_PIXELS))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    picture = job.renderedImage()
    picture.save(sys.argv[2])
    width, height = SIZE_PIXELS
    pixels = Counter(picture.pixel(x, y) for x in range(0, width, 3) for y in range(0, height, 3))
    seen = {
        "is_read": is_read,
        "layers": [[layer.name(), layer.isValid()] for layer in layers],
        "errors": [error.message for error in job.errors()],
        "colours": len(pixels),
        "drawn_share": 1 - pixels.most_common(1)[0][1] / sum(pixels.values()),
    }
    print(json.dumps(seen, ensure_ascii=False))
    application.exitQgis()


main()
