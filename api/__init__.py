"""The HTTP interface."""

import geo  # noqa: F401 -- sets GDAL's options before anything here loads it
