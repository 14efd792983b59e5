"""Micro-grids: the parts of a grid, one per informant."""

FEWEST_PARTS, MOST_PARTS = 6, 8
"""Parts of a grid: its informants (the city's programme of 2011)."""

MIN_HOUSEHOLDS, MAX_HOUSEHOLDS = 50, 100
"""Households of a part: those with which an informant is in touch (the same programme)."""
