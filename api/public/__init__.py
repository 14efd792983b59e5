"""Web pages, and routes for regions, grids, search, exports and staff."""
