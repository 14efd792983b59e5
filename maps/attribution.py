"""Attribution of the data on a map, as its licences require."""

from sqlalchemy import Connection, select

from geo.db.views import SOURCES
from geo.messages import Language, catalogue


def attributions(connection: Connection, lang: Language) -> list[str]:
    """Return the attribution of each kind of imported source, without duplicates.

    The kind is the prefix of a source name (``osm`` in ``osm:town.osm.pbf``). Kinds without an
    entry in the section ``attribution`` of the catalogue need none.
    """
    kinds = set(connection.scalars(select(SOURCES.c.kind)))
    texts = catalogue(lang)
    keys = (f"attribution.{kind}" for kind in sorted(kinds))
    return [texts[key] for key in keys if key in texts]
