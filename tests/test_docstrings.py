"""Public docstrings say what ruff does not ask: shapes and dtypes of arrays, and all errors."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("geo", "etl", "api", "maps", "cli")

DTYPES = {
    "Ints": "int",
    "Floats": "float",
    "Bools": "bool|[Ww]hether",
    "Strings": "str|name|code",
    "Objects": "",
    "Geometries": "",
    "Polygons": "",
    "Lines": "",
    "Points": "",
}
"""Pattern of what a docstring says of the dtype, by alias of geo.types; shapes say it by name."""

DIMENSION = r"\w+(?: [+*-] \w+)*"
SHAPE = re.compile(rf"\({DIMENSION},(?: {DIMENSION},?)*\)")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_public_functions_over_arrays_give_shape_and_dtype() -> None:
    functions = [(place, node) for place, node in _public_functions() if _arrays(node)]
    assert len(functions) > 200
    gaps = {place: _gaps(node) for place, node in functions}
    assert {place: missing for place, missing in gaps.items() if missing} == {}


def test_public_functions_with_one_line_docstrings_raise_nothing() -> None:
    short = [
        place
        for place, node in _public_functions()
        if "\n" not in (ast.get_docstring(node) or "") and _raises(node)
    ]
    assert short == []


def _public_functions() -> Iterator[tuple[str, Function]]:
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            if "node_modules" not in file.parts:
                for node in _public_of(ast.parse(file.read_text(encoding="utf-8")).body):
                    yield f"{file.relative_to(ROOT)}:{node.lineno} {node.name}", node


def _public_of(body: list[ast.stmt]) -> Iterator[Function]:
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public_of(node.body)
        elif isinstance(node, Function) and not node.name.startswith("_"):
            yield node


def _arrays(function: Function) -> dict[str, set[str]]:
    """Return the array types of each parameter that is an array, and of the value as ``return``."""
    listed = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    annotations = {arg.arg: arg.annotation for arg in listed} | {"return": function.returns}
    types = {
        name: {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)} & set(DTYPES)
        for name, annotation in annotations.items()
        if annotation
    }
    return {name: aliases for name, aliases in types.items() if aliases}


def _gaps(function: Function) -> list[str]:
    """Return what the docstring does not say of the arrays."""
    arrays, words = _arrays(function), ast.get_docstring(function) or ""
    dtypes = {DTYPES[alias] for aliases in arrays.values() for alias in aliases}
    gaps = [name for name in arrays if name != "return" and not re.search(rf"\b{name}\b", words)]
    gaps += [dtype for dtype in sorted(dtypes) if not re.search(dtype, words)]
    needed = ("return" in arrays) + bool(arrays.keys() - {"return"})
    return gaps + ["shape"] * (len(SHAPE.findall(words)) < needed)


def _raises(function: Function) -> bool:
    """Return whether a function raises an error itself, other than to pass one on."""
    nested = {
        inner
        for node in ast.walk(function)
        if isinstance(node, Function | ast.Lambda) and node is not function
        for inner in ast.walk(node)
    }
    return any(
        isinstance(node, ast.Raise) and node.exc is not None and node not in nested
        for node in ast.walk(function)
    )
