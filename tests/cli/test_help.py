"""The help of every command in the language of the locale."""

import os
import subprocess
import sys

import pytest
import typer

from cli.main import app
from etl.sample.street_plan import SAMPLES
from geo.messages import catalogue

pytestmark = pytest.mark.locale

ROOT = SAMPLES.parents[1]


def visible_commands(command, path=()):
    """Yield the path of each command that the help lists, and the command."""
    yield path, command
    for name, subcommand in getattr(command, "commands", {}).items():
        if not subcommand.hidden:
            yield from visible_commands(subcommand, (*path, name))


COMMANDS = list(visible_commands(typer.main.get_command(app)))


def help_texts():
    """Return the help of all visible commands, parameters and panels."""
    texts = set()
    for _, command in COMMANDS:
        shown = [param for param in command.params if not getattr(param, "hidden", False)]
        for described in (command, *shown):
            panel = getattr(described, "rich_help_panel", None)
            shown_help = (getattr(described, "help", None) or "").partition("\n\nRaises\n")[0]
            texts |= {words for words in (shown_help, panel) if words}
    return texts


def show_help(path, language):
    environment = os.environ | {"PYTHONPATH": os.fspath(ROOT)}
    for name in ("GRIDATLAS_LANG", "LC_MESSAGES", "LANG"):
        environment.pop(name, None)
    environment |= {"LC_ALL": language, "TERMINAL_WIDTH": "80"}
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *path, "--help"],
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_command_and_option_has_its_help_in_chinese():
    translated = {key.removeprefix("help.") for key in catalogue("zh") if key.startswith("help.")}
    assert help_texts() - translated == set()


def test_every_command_and_parameter_has_a_help():
    without = [
        (path, param.name)
        for path, command in COMMANDS
        for param in command.params
        if not getattr(param, "hidden", False) and not param.help
    ]
    assert without == []
    assert [path for path, command in COMMANDS if not command.help] == []


def test_help_leaves_out_the_errors_that_the_docstring_lists():
    shown = show_help(("draw",), "C")
    assert "store them as plans" in shown
    assert "Raises" not in shown
    assert "InputError" not in shown


@pytest.mark.parametrize("path", [(), ("draw",), ("print", "cards"), ("import", "building")])
def test_chinese_locale_shows_the_whole_help_in_chinese(path):
    shown = show_help(path, "zh_CN.UTF-8")
    assert "用法：gridatlas" in shown
    assert "选项" in shown
    assert "显示本帮助后退出。" in shown
    assert "…" not in shown  # nothing is cut off at 80 columns
    for words in ("Usage:", "Options", "Commands", "Show this message", "[default", "[required]"):
        assert words not in shown, words


def test_other_locales_show_the_help_in_english():
    shown = show_help(("print", "cards"), "C")
    assert "Usage: gridatlas print cards" in shown
    assert "Print the contact cards" in shown
    assert not any("\u4e00" <= sign <= "\u9fff" for sign in shown)
