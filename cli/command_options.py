"""Typer commands whose options are the fields of a dataclass."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

Options = TypeVar("Options")

Transformation = Annotated[
    str,
    typer.Option(
        help="PROJ operation or grid file from the datum of the file to CGCS2000; "
        "default: a published one."
    ),
]


def with_options(
    options: type[Options],
) -> Callable[[Callable[[Options], None]], Callable[..., None]]:
    """Decorate a function that takes a dataclass: typer reads the fields as the options.

    Parameters
    ----------
    options
        A dataclass whose fields are annotated with ``typer.Option`` or ``typer.Argument``.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class GreetOptions:
    ...     name: Annotated[str, typer.Option(help="Whom to greet.")] = "you"
    >>> @app.command()
    ... @with_options(GreetOptions)
    ... def greet(options: GreetOptions) -> None: ...
    """
    hints = get_type_hints(options, include_extras=True)
    parameters = [
        parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(options).parameters.items()
    ]

    def decorate(function: Callable[[Options], None]) -> Callable[..., None]:
        @wraps(function)
        def command(**values: Any) -> None:
            function(options(**values))

        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = hints
        return command

    return decorate
