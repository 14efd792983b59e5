"""Answers of Open311 GeoReport v2 in JSON and XML, errors included."""

import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal
from xml.etree import ElementTree

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.core import problems
from geo.errors import GridatlasError

Form = Literal["json", "xml"]
MEDIA_TYPES: dict[str, str] = {"json": "application/json", "xml": "text/xml; charset=utf-8"}

CONTENT: dict[str, Any] = {"application/json": {}, "text/xml": {}}


def describe_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of a route: the content in both forms, the standard's errors."""
    return {
        status: {"description": HTTPStatus(status).phrase, "content": CONTENT}
        for status in statuses
    }


Values = Mapping[str, Any]


def answer(
    form: str, root: str, item: str, content: Values | Sequence[Values], status: int = 200
) -> Response:
    """Return an object or a list as the standard writes it.

    Parameters
    ----------
    form
        ``json`` or ``xml``.
    root
        Name of the XML document's element.
    item
        Name of the element of each object of a list.
    """
    if form == "xml":
        body = _write_xml(root, item, content)
    else:
        body = json.dumps(content, ensure_ascii=False).encode()
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Language"}
    return Response(body, status, headers, MEDIA_TYPES[form])


def _write_xml(root: str, item: str, content: Values | Sequence[Values]) -> bytes:
    document = ElementTree.Element(root)
    if isinstance(content, Mapping):
        _add_children(document, content)
    else:
        for values in content:
            _add_children(ElementTree.SubElement(document, item), values)
    body: bytes = ElementTree.tostring(document, encoding="utf-8", xml_declaration=True)
    return body


def _add_children(parent: ElementTree.Element, values: Values) -> None:
    for name, value in values.items():
        child = ElementTree.SubElement(parent, name)
        if isinstance(value, Mapping):
            _add_children(child, value)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            singular = name.removesuffix("s")
            for item in value:
                _add_children(ElementTree.SubElement(child, singular), item)
        elif isinstance(value, bool):
            child.text = str(value).lower()
        elif value is not None:
            child.text = str(value)


class Open311Route(APIRoute):
    """A route whose errors are those of the standard: a list of code and description."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, which answers errors in the form that the path ends with."""
        handle = super().get_route_handler()

        async def answer_errors(request: Request) -> Response:
            try:
                return await handle(request)
            except GridatlasError as error:
                problem = problems.problem_from_error(request, error)
            except RequestValidationError as error:
                problem = problems.validation_problem(request, error)
            except HTTPException as error:
                problem = problems.http_problem(request, error)
            document = json.loads(bytes(problem.body))
            status = 400 if document["status"] == 422 else document["status"]
            form = "xml" if request.url.path.endswith(".xml") else "json"
            content = [{"code": str(status), "description": str(document["detail"])}]
            return answer(form, "errors", "error", content, status)

        return answer_errors
