"""``gridatlas demo``: the main job on the sample city, from an empty machine to maps."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from cli import console, draw, scorecard
from geo.messages import language, text

SOURCE = "sample:S:1"
CITY = "4206"
ACCOUNT = "demo"
OFFICE = "420606007"
ATLAS, BOOK = Path("out/atlas"), Path("out/atlas.pdf")
PORT = 8000


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def demo(
        serve: Annotated[bool, typer.Option(help="Serve the web map at the end.")] = True,
        port: Annotated[int, typer.Option(help="Port of the web map.", min=0, max=65535)] = PORT,
    ) -> None:
        """Load the sample city, draw its grids, write the atlas, serve the map."""
        load()
        plan_all()
        staff()
        write()
        if serve:
            from cli.serve import run

            let_in()
            run("127.0.0.1", port)


def load() -> None:
    """Bring the sample city that ships with the project into the database."""
    from etl.publish import publish
    from etl.sample.city import SHIPPED, read_sample
    from geo import db

    with console.progress() as progress:
        progress("database", 0, 1)
        db.upgrade()
        progress("database", 1, 1)
        layers = read_sample(SHIPPED)
        counts = publish(db.engine(), layers, SOURCE, progress=progress)
    written = sum(count.touched for count in counts.values())
    console.out.print(text("demo.loaded" if written else "demo.loaded_before", count=written))


def plan_all() -> None:
    """Draw and publish the communities that have no plan in force; show all score cards."""
    from geo import db, plans
    from geo.partition.batch import Drawn
    from geo.runs import Order

    with db.engine().connect() as connection:
        city = plans.communities(connection, CITY)
        cards = plans.cards_in_force(connection, CITY)
    missing = tuple(one for one in city if one[0] not in cards)
    drawn = draw.run(Order(missing, publish=True)) if missing else []
    known = [
        Drawn(code, name, cards[code].plan, cards[code].score)
        for code, name in city
        if code in cards
    ]
    scorecard.show(sorted([*drawn, *known], key=lambda one: one.community))


def staff() -> None:
    """Give the grids invented managers, so that cards and notice boards have somebody to show."""
    from etl.sample.staff import appoint
    from geo import db

    db.run_in_transaction(db.engine(), lambda connection: appoint(connection, CITY))


def let_in() -> None:
    """Make the account to look around with, and say its password, the first time."""
    from geo import accounts, db

    with db.engine().begin() as connection:
        if any(one.name == ACCOUNT for one in accounts.listed(connection)):
            console.out.print(text("demo.account_there", name=ACCOUNT), highlight=False)
            return
        password = secrets.token_urlsafe(12)
        accounts.add(connection, ACCOUNT, "admin", password)
    console.out.print(text("demo.account", name=ACCOUNT, password=password), highlight=False)


def write() -> None:
    """Write the atlas: pages for a screen, and a book for paper."""
    from geo import db
    from maps import build
    from maps.atlas import write_atlas
    from maps.paper.book import street_atlas
    from maps.paper.layout import PAPERS

    with console.progress() as progress:
        build.build(progress)
        pages = write_atlas(db.engine(), ATLAS, CITY, progress=progress)
        with db.engine().connect() as connection:
            book = street_atlas(
                connection, OFFICE, PAPERS["A3"], lang=language(), progress=progress
            )
    BOOK.write_bytes(book.pdf)
    console.out.print(text("atlas.written", index=pages[0], pages=len(pages) - 1))
    console.out.print(text("paper.written", file=BOOK), highlight=False)
