"""``gridatlas network``: the rules for buried pipes, and where a city's pipes break them."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from cli import console
from cli.prints import Lang, output_language
from geo import db
from geo.messages import text

app = typer.Typer(help="Check buried pipes.", no_args_is_help=True)


@app.command()
def rules(
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    lang: Annotated[Lang | None, typer.Option("--lang", help="Language of the texts.")] = None,
) -> None:
    """List the figures that pipes are checked against, with clause and force."""
    from geo.network.pipe_rules import describe_rules

    language = output_language(lang)
    rows = describe_rules(language)
    if as_json:
        names = (
            *("standard", "clause", "force", "superseded_by", "verified", "text"),
            *("overridden", "figures"),
        )
        listed = [{name: row[name] for name in names} for row in rows]
        sys.stdout.write(json.dumps(listed, ensure_ascii=False, indent=1) + "\n")
        return
    titles = (
        text(f"fire_rules.{column}", lang=language)
        for column in ("id", "force", "clause", "verified", "text")
    )
    table = Table(*(Column(title, overflow="fold") for title in titles))
    for row in rows:
        table.add_row(
            "\n".join(row["figures"]),
            text(f"force.{row['force']}", lang=language),
            f"{row['standard']} {row['clause']}".strip(),
            text(f"page.{'yes' if row['verified'] else 'no'}", lang=language),
            row["text"],
        )
    console.out.print(table)


@app.command()
def check(
    region: Annotated[str, typer.Option(help="Code of a region of the city, or its first digits.")],
    out: Annotated[Path, typer.Option(help="NAME.geojson or NAME.gpkg")] = Path("out/pipes.gpkg"),
    lang: Annotated[Lang | None, typer.Option("--lang", help="Language of the texts.")] = None,
) -> None:
    """Check a city's pipes and write where they break a rule.

    Raises
    ------
    NotFoundError
        If there is no such region.
    """
    import geopandas as gpd

    from etl.export import write_layer
    from geo import crs
    from geo.errors import NotFoundError
    from geo.fire.cities import city_crs, city_of_code
    from geo.fire.context import FireContextCache
    from geo.model.pipe import Network

    db.upgrade()
    language = output_language(lang)
    with db.get_engine().connect() as connection:
        city = city_of_code(connection, region.ljust(12, "0"))
        if not city:
            raise NotFoundError("no_such_region", region=region)
        findings = FireContextCache().pipe_findings(
            connection, city, frozenset(network.value for network in Network), at_buildings=True
        )
        system = city_crs(connection, city)
    counts = Counter(finding.kind for finding in findings)
    for kind, count in sorted(counts.items()):
        console.out.print(f"{text(f'pipe_finding.{kind}', lang=language)}: {count}")
    if not findings:
        console.print_text("pipe_finding.none", lang=language)
        return
    rows = [
        {
            "code": " ".join(finding.codes),
            "kind": finding.kind,
            "severity": finding.severity,
            "measured_m": finding.measured,
            "required_m": finding.required,
            "clause": f"{finding.source.standard} {finding.source.clause}",
            "text": finding.describe(language),
        }
        for finding in findings
    ]
    places = gpd.GeoSeries([finding.place for finding in findings], crs=system)
    frame = gpd.GeoDataFrame(rows, geometry=places).to_crs(crs.STORAGE)
    write_layer(frame, "pipe_finding", out)
    console.print_text("pipe_finding.written", lang=language, file=out)
