"""Checks and repair of delivered features."""
