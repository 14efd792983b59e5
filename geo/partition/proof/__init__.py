"""Lower bounds and proven optima."""
