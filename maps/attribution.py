"""Who made the data that a map shows, as their licences ask it to be said."""

from sqlalchemy import Connection, select

from geo.db.views import SOURCES
from geo.messages import Language, catalogue


def attributions(connection: Connection, lang: Language) -> list[str]:
    """Return the names of the makers of what has been imported, each once.

    A source is known by what its name begins with (``osm:town.osm.pbf``); of one that the
    catalogue's section ``attribution`` does not know nothing is said.
    """
    kinds = set(connection.scalars(select(SOURCES.c.kind)))
    texts = catalogue(lang)
    keys = (f"attribution.{kind}" for kind in sorted(kinds))
    return [texts[key] for key in keys if key in texts]
