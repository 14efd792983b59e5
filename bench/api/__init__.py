"""The API under load, against tipg alone on the same tables."""
