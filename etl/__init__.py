"""Import and export of files: readers, checks, publication, OpenStreetMap, the sample city."""

import geo  # noqa: F401 -- sets GDAL's options before anything here loads it
