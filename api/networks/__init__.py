"""Routes of pipe networks."""
