"""``gridatlas demo``: the main job on the sample city, from an empty machine to maps."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from cli import console, draw, score_output
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
    from etl.pipeline.publish_frames import publish
    from etl.sample.city import SHIPPED, read_sample
    from geo import db

    with console.progress() as progress:
        progress("database", 0, 1)
        db.upgrade()
        progress("database", 1, 1)
        layers = read_sample(SHIPPED)
        counts = publish(db.get_engine(), layers, SOURCE, progress=progress)
    written = sum(count.touched for count in counts.values())
    console.out.print(text("demo.loaded" if written else "demo.loaded_before", count=written))


def plan_all() -> None:
    """Draw and publish the communities that have no plan in force; show all score cards."""
    from geo import db
    from geo.plans import store
    from geo.plans.batch import DrawResult
    from geo.plans.draw_runs import DrawOrder

    with db.get_engine().connect() as connection:
        city = store.communities(connection, CITY)
        cards = store.cards_in_force(connection, CITY)
    missing = tuple(one for one in city if one[0] not in cards)
    drawn = draw.run(DrawOrder(missing, publish=True)) if missing else []
    known = [
        DrawResult(code, name, cards[code].plan, cards[code].score)
        for code, name in city
        if code in cards
    ]
    score_output.show(sorted([*drawn, *known], key=lambda one: one.community))


def staff() -> None:
    """Give the grids invented managers, so that cards and notice boards have somebody to show."""
    from etl.sample.sample_staff import appoint
    from geo import db

    db.run_in_transaction(db.get_engine(), lambda connection: appoint(connection, CITY))


def let_in() -> None:
    """Make the account to look around with, and say its password, the first time."""
    from geo import db
    from geo.db import accounts

    with db.get_engine().begin() as connection:
        if any(one.name == ACCOUNT for one in accounts.list_accounts(connection)):
            console.out.print(text("demo.account_there", name=ACCOUNT), highlight=False)
            return
        password = secrets.token_urlsafe(12)
        accounts.add(connection, ACCOUNT, "admin", password)
    console.out.print(text("demo.account", name=ACCOUNT, password=password), highlight=False)


def write() -> None:
    """Write the atlas: pages for a screen, and a book for paper."""
    from geo import db
    from maps import build
    from maps.atlas.atlas import write_atlas
    from maps.paper.map_documents import street_atlas
    from maps.paper.page_layout import PAPERS

    with console.progress() as progress:
        build.build(progress)
        pages = write_atlas(db.get_engine(), ATLAS, CITY, progress=progress)
        with db.get_engine().connect() as connection:
            book = street_atlas(
                connection, OFFICE, PAPERS["A3"], lang=language(), progress=progress
            )
    BOOK.write_bytes(book.pdf)
    console.out.print(text("atlas.written", index=pages[0], pages=len(pages) - 1))
    console.out.print(text("paper.written", file=BOOK), highlight=False)
