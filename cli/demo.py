"""``gridatlas demo``: load, draw, print and serve the sample city."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from cli import console, draw, score_output
from geo import db
from geo.messages import language

SEED = 1
SOURCE = f"sample:S:{SEED}"
CITY = "4206"
ACCOUNT = "demo"
STREET_OFFICE = "420606007"
ATLAS_FOLDER, ATLAS_PDF = Path("out/atlas"), Path("out/atlas.pdf")
PORT = 8000

app = typer.Typer()


@app.command()
def demo(
    serve: Annotated[bool, typer.Option(help="Serve the web map afterwards.")] = True,
    port: Annotated[int, typer.Option(help="Port of the web map.", min=0, max=65535)] = PORT,
) -> None:
    """Load the sample city, draw its grids, write the atlas and serve the web map."""
    load_city()
    draw_city()
    appoint_managers()
    write_maps()
    add_account()
    if serve:
        from cli.serve import run

        run("127.0.0.1", port)
    else:
        show_next_steps()


def load_city() -> None:
    """Load the sample city that ships with the project."""
    from etl.pipeline.publish_frames import publish
    from etl.sample.city import SAMPLE_FILE, add_register, read_sample

    with console.progress() as progress:
        progress("database", 0, 1)
        db.upgrade()
        progress("database", 1, 1)
        layers = add_register(read_sample(SAMPLE_FILE), SEED)
        counts = publish(db.get_engine(), layers, SOURCE, progress=progress)
    written = sum(count.rows_written for count in counts.values())
    console.print_text("demo.loaded" if written else "demo.loaded_before", count=written)
    show_register()


def show_register() -> None:
    """Print the counts of the city's register, which is invented."""
    from geo.register.counts import counts_of_region

    with db.get_engine().connect() as connection:
        counts = counts_of_region(connection, CITY.ljust(12, "0"))
    if counts:
        console.print_text("demo.register", lang=None, **counts)


def draw_city() -> None:
    """Draw and publish the communities without a plan in force; show all score cards."""
    from geo.plans import community_layers, store
    from geo.plans.batch import DrawResult
    from geo.plans.draw_runs import DrawOrder

    with db.get_engine().connect() as connection:
        communities = community_layers.list_communities(connection, CITY)
        cards = store.score_cards_in_force(connection, CITY)
    missing = tuple(pair for pair in communities if pair[0] not in cards)
    results = draw.run_order(DrawOrder(missing, publish=True)) if missing else []
    results += [
        DrawResult(code, name, cards[code].plan, cards[code].score)
        for code, name in communities
        if code in cards
    ]
    score_output.show_scores(sorted(results, key=lambda result: result.community))


def appoint_managers() -> None:
    """Appoint fictitious managers, so that contact cards and notice boards are complete."""
    from etl.sample import sample_staff

    db.run_in_transaction(
        db.get_engine(), lambda connection: sample_staff.appoint_managers(connection, CITY)
    )


def add_account() -> None:
    """Add an administrator account and print its password, unless it exists."""
    from geo.db import accounts

    with db.get_engine().begin() as connection:
        if any(account.name == ACCOUNT for account in accounts.list_accounts(connection)):
            console.print_text("demo.account_there", name=ACCOUNT)
            return
        password = secrets.token_urlsafe(12)
        accounts.add_account(connection, ACCOUNT, "admin", password)
    console.print_text("demo.account", name=ACCOUNT, password=password)


def show_next_steps() -> None:
    """Print how to go on after a demo that serves nothing."""
    console.print_text("demo.next", atlas=ATLAS_FOLDER / "index.html", port=PORT, name=ACCOUNT)


def write_maps() -> None:
    """Write the atlas as web pages and as PDF."""
    from maps import build
    from maps.atlas.atlas import write_atlas
    from maps.paper.map_documents import street_atlas
    from maps.paper.page_layout import PAPERS

    with console.progress() as progress:
        build.build(progress)
        pages = write_atlas(db.get_engine(), ATLAS_FOLDER, CITY, progress=progress)
        with db.get_engine().connect() as connection:
            book = street_atlas(
                connection, STREET_OFFICE, PAPERS["A3"], lang=language(), progress=progress
            )
    ATLAS_PDF.write_bytes(book.pdf)
    console.print_text("atlas.written", index=pages[0], pages=len(pages) - 1)
    console.print_text("paper.written", file=ATLAS_PDF)
