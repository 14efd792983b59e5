"""Alembic's environment: the tables of ``geo.model`` on the connection it is given."""

from geoalchemy2 import alembic_helpers

import geo.model.history  # noqa: F401  (its tables belong to the metadata)
from alembic import context
from geo.model import Base


def include_object(item, name, kind, reflected, compare_to):  # type: ignore[no-untyped-def]
    """Leave out what the extensions brought."""
    if kind == "table" and reflected and compare_to is None:
        return name not in {"spatial_ref_sys", "pointcloud_formats"}
    return alembic_helpers.include_object(item, name, kind, reflected, compare_to)


def run() -> None:
    """Run the migrations in the caller's transaction, or in one of their own."""
    connection = context.config.attributes.get("connection")
    if connection is None:
        from geo.db import get_engine

        with get_engine().begin() as connection:
            _run(connection)
    else:
        _run(connection)


def _run(connection) -> None:  # type: ignore[no-untyped-def]
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_object=include_object,
        process_revision_directives=alembic_helpers.writer,
        render_item=alembic_helpers.render_item,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
