"""Who made the data that a map shows, as their licences ask it to be said."""

from sqlalchemy import Connection, select

from geo.messages import Language, catalogue
from geo.model import ImportRun
from geo.model.run import RunStatus

_LIVE = (RunStatus.PUBLISHED, RunStatus.UNCHANGED)


def attributions(connection: Connection, lang: Language) -> list[str]:
    """Return the names of the makers of what has been imported, each once.

    A source is known by what its name begins with (``osm:town.osm.pbf``); of one that the
    catalogue's section ``attribution`` does not know nothing is said.
    """
    sources = select(ImportRun.source).where(ImportRun.status.in_(_LIVE)).distinct()
    kinds = {source.partition(":")[0] for source in connection.scalars(sources)}
    texts = catalogue(lang)
    keys = (f"attribution.{kind}" for kind in sorted(kinds))
    return [texts[key] for key in keys if key in texts]
