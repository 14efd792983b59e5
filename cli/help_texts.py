"""The help of the commands in the language of the locale.

The English help is in the code of the commands, and is the key of its translation in the section
``help`` of the catalogue: a language that has no translations shows the English.
"""

from typing import Any

import typer
from rich import columns
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from typer import rich_utils

from geo.messages import catalogue, language

_TYPER_TEXTS = (
    "ARGUMENTS_PANEL_TITLE",
    "OPTIONS_PANEL_TITLE",
    "COMMANDS_PANEL_TITLE",
    "ERRORS_PANEL_TITLE",
    "ABORTED_TEXT",
    "DEFAULT_STRING",
    "ENVVAR_STRING",
    "REQUIRED_LONG_STRING",
    "RICH_HELP",
)


def translate(words: str) -> str:
    """Return the translation of a help text; the text itself where there is none."""
    return catalogue(language()).get(f"help.{words}", words)


def localize_help(command: Any) -> None:
    """Translate the help of a command, of its parameters and subcommands, and typer's words.

    Parameters
    ----------
    command
        The command that ``typer.main.get_command`` returns.
    """
    for name in _TYPER_TEXTS:
        setattr(rich_utils, name, translate(getattr(rich_utils, name)))
    for module in (rich_utils, columns):
        setattr(module, "Table", _FoldingTable)  # noqa: B010  (no exported name to mypy)
    context = command.context_class
    context.formatter_class = _localized_formatter(context.formatter_class)
    _translate_command(command)


class _FoldingTable(Table):
    """A table that folds Chinese text, which has no spaces, instead of cutting it off."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for column in self.columns:
            column.overflow = "fold"
        yield from super().__rich_console__(console, options)


def _localized_formatter(base: Any) -> Any:
    class Formatter(base):  # type: ignore[misc]
        def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
            super().write_usage(prog, args, prefix or translate("Usage: "))

    return Formatter


def _translate_command(command: Any) -> None:
    for described in (command, *command.get_params(typer.Context(command))):
        if getattr(described, "help", None):
            # The sections of a docstring are for programmers.
            described.help = translate(described.help.partition("\n\nRaises\n")[0])
        if panel := getattr(described, "rich_help_panel", None):
            described.rich_help_panel = translate(panel)
    for subcommand in getattr(command, "commands", {}).values():
        _translate_command(subcommand)
