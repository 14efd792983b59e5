"""Geometry that no library has: planar faces, shared borders, Voronoi cells of outlines."""
