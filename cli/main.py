"""``gridatlas``: the command line."""

import typer

from cli import (
    atlas,
    backup,
    console,
    db,
    demo,
    draw,
    export,
    fire,
    help_texts,
    import_runs,
    imports,
    mapping,
    network,
    nightly,
    override,
    prints,
    quarantine,
    sample,
    score,
    serve,
    staff,
    user,
    what_if,
)

app = typer.Typer(
    name="gridatlas", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False
)
app.add_typer(demo.app)
app.add_typer(db.app, name="db")
app.add_typer(sample.app)
app.add_typer(imports.app, name="import")
app.add_typer(import_runs.app, name="import-runs")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(mapping.app, name="mapping")
app.add_typer(override.app, name="override")
app.add_typer(nightly.app)
app.add_typer(draw.app)
app.add_typer(score.app)
app.add_typer(what_if.app, name="what-if")
app.add_typer(export.app)
app.add_typer(atlas.app)
app.add_typer(prints.app, name="print")
app.add_typer(fire.app, name="fire")
app.add_typer(network.app, name="network")
app.add_typer(serve.app)
app.add_typer(staff.app, name="staff")
app.add_typer(user.app, name="user")
app.add_typer(backup.app)


@app.callback()
def describe() -> None:
    """网格图谱 Gridatlas: a city's spatial geodatabase and grid drawing."""


def main() -> None:
    """Run the command line."""
    console.run(_run_app)


def _run_app() -> None:
    console.start_in_utf8()
    command = typer.main.get_command(app)
    help_texts.localize_help(command)
    command(prog_name="gridatlas")


if __name__ == "__main__":
    main()
