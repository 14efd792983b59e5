"""Geometry that no library has: planar faces, shared borders, Voronoi borders of outlines."""
