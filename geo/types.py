"""Aliases of the array types used across the packages."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

Strings = NDArray[np.object_]
"""Arrays of ``str``, or None where there is no text."""

Objects = NDArray[np.object_]
"""Arrays of values of several types, or None."""

Geometries = NDArray[np.object_]
"""Arrays of :class:`shapely.Geometry` of any kind; the three below say which kind."""

Polygons = NDArray[np.object_]
Lines = NDArray[np.object_]
Points = NDArray[np.object_]
