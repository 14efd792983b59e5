"""Managers and offices of the test town, and what its residents report."""

import io
from collections.abc import Callable, Iterator

import httpx
import pytest
from PIL import Image
from sqlalchemy import Engine, text

from geo.settings import settings
from tests import accounts
from tests import town as t

OWN_GRID, OTHER_GRID = f"{t.NORTH_GATE}002", f"{t.DRUM_TOWER}002"
HERE, THERE = t.degrees(300, 350), t.degrees(900, 350)
"""Places in both grids."""


@pytest.fixture(scope="module", autouse=True)
def staff(town: Engine, address: str) -> None:
    """Appoint the managers of two grids, with accounts, and open further offices."""
    with town.begin() as connection:
        accounts.add(connection, "other_manager", "grid_manager")
        accounts.add(connection, "drum_tower", "office", scope=t.DRUM_TOWER)
        accounts.add(connection, "street", "office", scope=t.STREET)
        for grid, account in ((OWN_GRID, "grid_manager"), (OTHER_GRID, "other_manager")):
            appoint = text(
                "INSERT INTO grid_manager (grid_code, name, account_id) "
                "SELECT :grid, :name, id FROM account WHERE name = :name"
            )
            connection.execute(appoint, {"grid": grid, "name": account})


@pytest.fixture(scope="module", autouse=True)
def unhurried() -> Iterator[None]:
    """Lift the limits by address, which tests of their own try."""
    before = settings().reports_per_minute, settings().follow_ups_per_minute
    settings().reports_per_minute = settings().follow_ups_per_minute = 100_000
    yield
    settings().reports_per_minute, settings().follow_ups_per_minute = before


@pytest.fixture(scope="module")
def office(signed_in: Callable[[str], httpx.Client]) -> httpx.Client:
    return signed_in("office")


def picture(kind: str = "JPEG", side: int = 64) -> bytes:
    """Return a photo whose metadata name a place."""
    out = io.BytesIO()
    image = Image.new("RGB", (side, side), "red")
    exif = Image.Exif()
    exif[0x010E] = "secret place"  # ImageDescription
    image.save(out, kind, exif=exif)
    return out.getvalue()


Reporter = Callable[..., dict]


@pytest.fixture(scope="module")
def report(client: httpx.Client) -> Reporter:
    """Return a function that reports something and returns the answer."""

    def send(kind="burst_pipe", place=HERE, files=(), headers=None, **values):
        form = {"kind": kind, "lon": place[0], "lat": place[1], "description": "水管裂了"} | values
        answer = client.post("/reports", data=form, files=list(files), headers=headers)
        assert answer.status_code == 201, answer.text
        return answer.json()

    return send


def take(who: httpx.Client, number: str, action: str, files=(), **values) -> httpx.Response:
    """Take a step of a case."""
    headers = values.pop("headers", {})
    form = {"action": action} | values
    address = f"/casework/cases/{number}/steps"
    return who.post(address, data=form, files=list(files), headers=headers)
