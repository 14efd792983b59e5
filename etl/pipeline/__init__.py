"""One import, from an opened file to the live tables."""
