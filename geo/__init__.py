"""Domain and analysis of Gridatlas: tables, coordinates, grids, networks, fire rules."""
