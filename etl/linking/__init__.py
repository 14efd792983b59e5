"""Links between features that a delivery does not state itself."""
