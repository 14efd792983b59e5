"""``gridatlas sample``: the synthetic sample city."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import console
from geo import db
from geo.errors import InputError

if TYPE_CHECKING:
    from etl.pipeline.delivery import Counts


class Size(StrEnum):
    """Sizes of the city: about 12,000, 300,000 and 3 million households."""

    S = "S"
    M = "M"
    L = "L"


app = typer.Typer()


@app.command()
def sample(
    size: Annotated[Size, typer.Option(help="Households: S 12,000, M 300,000, L 3 million.")],
    seed: Annotated[int, typer.Option(help="The same seed generates the same city.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="NAME.gpkg, or a folder for GeoParquet (always for size L).")
    ] = None,
    load: Annotated[
        bool, typer.Option("--load", help="Load the city into the database instead of a file.")
    ] = False,
) -> None:
    """Generate the sample city; write it to a file or load it into the database.

    Raises
    ------
    InputError
        If a city of size L is to be written to one file.
    """
    from etl.sample import city

    if load:
        _load(size, seed)
        return
    target = out or Path("out") / f"sample_{size.lower()}{'' if size is Size.L else '.gpkg'}"
    if size is Size.L and target.suffix:
        raise InputError("sample_too_large_for_file", file=target)
    with console.progress() as progress:
        if target.suffix == ".gpkg":
            layers = city.add_register(city.sample_city(size, seed, progress), seed)
            city.write_geopackage(layers, target)
        else:
            city.write_parquet(size, seed, target, progress)
    console.print_text("sample.written", size=size, place=target)


def _load(size: Size, seed: int) -> None:
    """Load a city into the database; it replaces a city of the same size and seed.

    Size L does not fit into memory: each street office is published separately.
    """
    from etl.pipeline.publish_frames import publish
    from etl.sample import city, street_plan

    source = f"sample:{size}:{seed}"
    changed_count = 0
    db.upgrade()
    with console.progress() as progress:
        if size is Size.L:
            total = len(street_plan.offices(size))
            for done, (office, layers) in enumerate(city.sample_offices(size, seed)):
                progress("sample", done, total)
                changed_count += _count_changed(
                    publish(
                        db.get_engine(),
                        city.add_register(layers, seed),
                        f"{source}:{office.code}",
                    )
                )
            progress("sample", total, total)
        else:
            layers = city.add_register(city.sample_city(size, seed, progress), seed)
            changed_count = _count_changed(
                publish(db.get_engine(), layers, source, progress=progress)
            )
    console.print_text(
        "demo.loaded" if changed_count else "demo.loaded_before", count=changed_count
    )


def _count_changed(counts: Mapping[str, Counts]) -> int:
    return sum(count.rows_written for count in counts.values())
