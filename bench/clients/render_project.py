"""Open a QGIS project without a screen, draw it, and print what is seen as JSON.

Run by the Python of the system, which has QGIS: ``python3 render_project.py PROJECT PICTURE``.
"""

import json
import sys
from collections import Counter

from qgis.core import (
    QgsApplication,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
)
from qgis.PyQt.QtCore import QSize

SIZE_PIXELS = (1200, 900)


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
    settings.setExtent(project.viewSettings().defaultViewExtent())
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
