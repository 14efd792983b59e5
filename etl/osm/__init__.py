"""OpenStreetMap extracts: buildings, roads, waters, railways, facilities and hydrants."""

from etl.osm.extract import Extract, read_osm, source_name

__all__ = ["Extract", "read_osm", "source_name"]
