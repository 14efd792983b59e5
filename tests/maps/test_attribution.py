from sqlalchemy import Engine, insert

from geo.model import ImportRun
from maps.attribution import attributions


def test_sources_of_live_data_are_attributed_once(database: Engine):
    runs = [
        ("osm:town.osm.pbf", "published"),
        ("osm:other.osm.pbf", "unchanged"),
        ("bureau:2026", "published"),
        ("sample:S:1", "failed"),
    ]
    rows = [{"layer": "building", "source": name, "status": status} for name, status in runs]
    with database.begin() as connection:
        connection.execute(insert(ImportRun), rows)
        assert attributions(connection, "en") == ["© OpenStreetMap contributors (ODbL)"]
        assert len(attributions(connection, "zh")) == 1
