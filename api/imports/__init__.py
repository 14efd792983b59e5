"""Routes and jobs of imports."""
