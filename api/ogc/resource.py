"""A resource of the OGC API: its path, what it accepts, and what it answers with."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property

from starlette.responses import Response

from api.ogc.query_parameters import Parameter
from api.ogc.representation import Call, Formats


@dataclass(frozen=True)
class Resource:
    """A resource.

    Attributes
    ----------
    path
        Path below ``/ogc`` with the names of its parameters in braces.
    operation
        Identifier of the operation in OpenAPI (for tiles: OGC 20-057, table 11).
    respond
        Function that answers a request.
    formats
        Media types by their names in the parameter ``f``.
    parameters
        Query parameters, besides ``f``.
    filters_properties
        Whether each property of the collection is a parameter too.
    """

    path: str
    operation: str
    respond: Callable[[Call], Awaitable[Response]]
    formats: Formats
    parameters: tuple[Parameter, ...] = ()
    filters_properties: bool = False

    @cached_property
    def parameter_names(self) -> set[str]:
        """The names of all query parameters."""
        return {"f", *(parameter.name for parameter in self.parameters)}

    @property
    def path_parameters(self) -> list[str]:
        """The names of the parameters in the path."""
        return re.findall(r"{(\w+)}", self.path)
