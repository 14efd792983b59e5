"""Load benchmark of the API, compared with tipg alone on the same tables."""
