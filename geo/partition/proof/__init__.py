"""Lower bounds on the objective, and proven optima."""
