"""``gridatlas``: the command line. Each command group is a module with ``register``."""

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
    import_runs,
    imports,
    prints,
    sample,
    score,
    serve,
    user,
)


def application() -> typer.Typer:
    """Return the command line with every command."""
    app = typer.Typer(
        name="gridatlas", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False
    )

    @app.callback()
    def root() -> None:
        """网格图谱 Gridatlas: a city's spatial geodatabase and grid drawing."""

    first = (demo, db, sample, imports, import_runs, draw, score, export)
    groups = (*first, atlas, prints, fire, serve, user, backup)
    for group in groups:
        group.register(app)
    return app


def main() -> None:
    """Run the command line."""
    console.run(_start)


def _start() -> None:
    console.start_in_utf8()
    application()(prog_name="gridatlas")


if __name__ == "__main__":
    main()
