"""Files in: readers, repair, checks, publish, the sample city."""

import geo  # noqa: F401 -- sets GDAL's options before anything here loads it
