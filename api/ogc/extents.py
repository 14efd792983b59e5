"""Extents of collections, computed once for each state of the data and each caller."""

from collections.abc import Iterable

from api.ogc.collections import COLLECTIONS, Extent
from api.ogc.query_parameters import Bounds
from api.ogc.representation import Call

MAX_ENTRIES = 500

_Key = tuple[tuple[str, ...], int, str]


class ExtentCache:
    """Extents by caller, state of the data, and collection; it is emptied when it is full."""

    def __init__(self) -> None:
        self._extents: dict[_Key, Extent] = {}

    async def get(self, call: Call, names: list[str]) -> dict[str, Extent]:
        """Return the extents of collections, of what the caller may see."""
        state = call.request.app.state
        changes = await read_changes(call)
        keys = {name: (call.caller.viewer, changes, name) for name in names}
        extents = {name: self._extents[key] for name, key in keys.items() if key in self._extents}
        if len(extents) < len(keys):
            if len(self._extents) > MAX_ENTRIES:
                self._extents.clear()
            async with state.pool.transaction_as(call.caller) as connection:
                for name in keys.keys() - extents.keys():
                    extents[name] = await COLLECTIONS[name].read_extent(connection)
                    self._extents[keys[name]] = extents[name]
        return extents


async def read_changes(call: Call) -> int:
    """Return the number of changes to all layers, read once for a request."""
    state = call.request.state
    if not hasattr(state, "changes"):
        state.changes = await call.request.app.state.layer_state.now()
    return int(state.changes)


async def read_extents(call: Call, names: list[str]) -> dict[str, Extent]:
    """Return the extents of collections, of what the caller may see."""
    cache: ExtentCache = call.request.app.state.extents
    return await cache.get(call, names)


def union_of_bounds(extents: Iterable[Extent]) -> Bounds | None:
    """Return the box around the boxes of extents, None if none has one."""
    boxes = [extent.bounds for extent in extents if extent.bounds is not None]
    if not boxes:
        return None
    wests, souths, easts, norths = zip(*boxes, strict=True)
    return min(wests), min(souths), max(easts), max(norths)
