"""Plan of the sample city: street offices on both banks of the river, and the lattice of streets.

The city is a lattice of street corners, bent so that streets curve with the river. A street office
has 8 x 6 blocks, a community 2 x 2. Each corner depends only on its place in the lattice, so that
offices that are built separately share their borders exactly.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import shapely

from geo.types import Floats

_ETL = Path(__file__).resolve().parents[1]
SAMPLES = next(
    place for place in (_ETL / "samples", _ETL.parent / "data" / "samples") if place.is_dir()
)
"""Folder of the samples: in an installed package beside this one, in a checkout under ``data``."""
DIVISIONS = SAMPLES / "xiangyang_divisions.csv"

METRIC = "EPSG:4546"
ORIGIN_M = np.array([606_000.0, 3_546_000.0])
"""Origin of the lattice in EPSG:4546, on the Han in Xiangyang (112.12 E 32.03 N)."""

BLOCK_SIZE_M = np.array([208.0, 166.0])
JITTER_M = np.array([34.0, 24.0])
"""Largest distance of a street from its place in a regular lattice, in metres."""

OFFICE_BLOCKS = (8, 6)
COMMUNITY_BLOCKS = (2, 2)
RIVER_M = 620.0
BANK_M = 45.0

CITY, CITY_NAME = "420600000000", "襄阳市"
FANCHENG, XIANGCHENG, XIANGZHOU = "420606000000", "420602000000", "420607000000"
FIRST_OFFICE = "420606007000"
"""Office of size S: 米公街道, on the north bank."""

SIZE_OFFICES = {"S": (1, 1, 0), "S4": (2, 1, 1), "M": (5, 3, 2), "L": (16, 9, 7)}
"""Columns of offices, rows north of the river, rows south of it."""


@dataclass(frozen=True)
class Office:
    """A street office: its place in the lattice, code and name, and its twelve communities.

    ``column`` counts offices to the east of the first one, ``row`` those to the north of the river;
    rows south of the river are negative.
    """

    column: int
    row: int
    district: str
    code: str
    name: str
    communities: tuple[tuple[str, str], ...]

    @property
    def corner(self) -> tuple[int, int]:
        """The lattice place of the south-west corner."""
        return self.column * OFFICE_BLOCKS[0], self.row * OFFICE_BLOCKS[1]

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Return the lattice places of the south-west corners of its blocks."""
        west, south = self.corner
        for j in range(south, south + OFFICE_BLOCKS[1]):
            for i in range(west, west + OFFICE_BLOCKS[0]):
                yield i, j

    def community_of(self, i: int, j: int) -> str:
        """Return the code of the community of a block."""
        across = (i - self.corner[0]) // COMMUNITY_BLOCKS[0]
        up = (j - self.corner[1]) // COMMUNITY_BLOCKS[1]
        return self.communities[up * (OFFICE_BLOCKS[0] // COMMUNITY_BLOCKS[0]) + across][0]


def line_x(i: float) -> float:
    """Return the x of a north-south street before bending; a fraction lies between two streets."""
    low = int(np.floor(i))
    at = [n * BLOCK_SIZE_M[0] + JITTER_M[0] * _noise(n, 3) for n in (low, low + 1)]
    return float(at[0] + (i - low) * (at[1] - at[0]))


def line_y(j: float, north: bool) -> float:
    """Return the y of the ``j``-th street from the river before bending."""
    low = int(np.floor(j))
    at = [n * BLOCK_SIZE_M[1] + (JITTER_M[1] * _noise(n, 7) if n else 0.0) for n in (low, low + 1)]
    bank = RIVER_M / 2 if north else -RIVER_M / 2
    return float(bank + at[0] + (j - low) * (at[1] - at[0]))


def _noise(n: int, salt: int) -> float:
    """Return a pseudo-random number from -1 to 1 that depends only on the arguments."""
    mixed = (n * 2654435761 + salt * 40503 + 97) % 2**32
    return ((mixed * 2246822519 + 374761393) % 2**32) / 2**31 - 1.0


def corner_point(i: int, j: int, north: bool) -> Floats:
    """Return a corner of the lattice, ``j`` streets from the river on one bank.

    In metres, shape (2,), float64.
    """
    x = line_x(i) + 9.0 * _noise(i * 7919 + j, 11)
    y = line_y(j, north) + (8.0 * _noise(i * 104729 + j, 13) if j else 0.0)
    spot: Floats = ORIGIN_M + bend_points(np.array([[x, y]]))[0]
    return spot


def bend_points(xy: Floats) -> Floats:
    """Return points moved by the field that bends the streets and the river.

    ``xy``, shape (n, 2), and the result, shape (n, 2), are in metres, float64.
    """
    x, y = xy.T
    dy = 130 * np.sin(x / 1300 + 0.4) + 45 * np.sin(x / 520 + y / 900)
    dx = 70 * np.sin(y / 640 + 0.8) + 30 * np.sin(x / 610 - y / 480)
    return np.column_stack([x + dx, y + dy])


def block_corners(office: Office, i: int, j: int) -> Floats:
    """Return the corners of a block from the south-west, counter-clockwise.

    In metres, shape (4, 2), float64.
    """
    north = office.row >= 0
    return np.array(
        [corner_point(a, b, north) for a, b in ((i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1))]
    )


def community_polygon(office: Office, number: int) -> shapely.Polygon:
    """Return the land of a community, up to the middle of the streets around it."""
    across = OFFICE_BLOCKS[0] // COMMUNITY_BLOCKS[0]
    i = office.corner[0] + number % across * COMMUNITY_BLOCKS[0]
    j = office.corner[1] + number // across * COMMUNITY_BLOCKS[1]
    ring = [(i, j), (i + 1, j), (i + 2, j), (i + 2, j + 1)]
    ring += [(i + 2, j + 2), (i + 1, j + 2), (i, j + 2), (i, j + 1)]
    return shapely.Polygon([corner_point(a, b, office.row >= 0) for a, b in ring])


def offices(size: str) -> list[Office]:
    """Return the street offices of a city of some size, the first office first."""
    columns, north, south = SIZE_OFFICES[size]
    rows = [*range(north), *range(-1, -south - 1, -1)]
    return [_build_office(column, row) for row in rows for column in range(columns)]


def _build_office(column: int, row: int) -> Office:
    district = XIANGCHENG if row < 0 else FANCHENG if column < 3 else XIANGZHOU
    number = _number(column, row)
    code, name, real = _street(district, number)
    count = (OFFICE_BLOCKS[0] // COMMUNITY_BLOCKS[0]) * (OFFICE_BLOCKS[1] // COMMUNITY_BLOCKS[1])
    invented = [
        (f"{code[:9]}{900 + n:03d}", f"{_NEW_NAMES[n % len(_NEW_NAMES)]}社区")
        for n in range(1, count + 1)
    ]
    return Office(column, row, district, code, name, tuple((real + invented)[:count]))


_NEW_NAMES = [
    "和平",
    "建设",
    "春园",
    "长征",
    "东风",
    "丹江",
    "人民",
    "前进",
    "友谊",
    "新华",
    "光彩",
    "汉江",
]


def _number(column: int, row: int) -> int:
    """Return the number of an office within its district, the same for every size of city."""
    if row < 0:
        return _cantor_pair(column, -row - 1)
    return _cantor_pair(column, row) if column < 3 else _cantor_pair(column - 3, row)


def _cantor_pair(a: int, b: int) -> int:
    """Return the Cantor number of a pair, which is unique and independent of the city's size."""
    return (a + b) * (a + b + 1) // 2 + b


def _street(district: str, number: int) -> tuple[str, str, list[tuple[str, str]]]:
    """Return code, name and real communities of a street; past the last, an invented one."""
    streets = _divisions()[district]
    if number < len(streets):
        return streets[number]
    return f"{district[:6]}{700 + number % 300:03d}000", f"新城{number}街道", []


@cache
def _divisions() -> dict[str, list[tuple[str, str, list[tuple[str, str]]]]]:
    """Return the streets of each district with their communities, the first office first."""
    with DIVISIONS.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    below: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        below.setdefault(row["parent_code"], []).append((row["code"], row["name"]))
    return {
        district: sorted(
            ((code, name, below.get(code, [])) for code, name in below[district]),
            key=lambda street: (street[0] != FIRST_OFFICE, street[0]),
        )
        for district in (FANCHENG, XIANGCHENG, XIANGZHOU)
    }


def district_names() -> dict[str, str]:
    """Return the names of the districts by code."""
    with DIVISIONS.open(encoding="utf-8") as file:
        return {r["code"]: r["name"] for r in csv.DictReader(file) if r["level"] == "district"}


def office_land(office: Office) -> shapely.Geometry:
    """Return the land of the communities of an office."""
    count = len(office.communities)
    return shapely.union_all([community_polygon(office, n) for n in range(count)])
