"""Search for a good assignment of cells to grids."""
