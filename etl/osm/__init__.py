"""Read OpenStreetMap extracts: buildings, roads, waters, railways, facilities, hydrants."""

from etl.osm.extract import Extract, read_osm, source_name
from etl.osm.region_codes import free_district_code
