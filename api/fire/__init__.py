"""Routes of the fire department."""
