"""A small town for tests: three communities by a river, two with published grids, one with a draft.

Everything is laid out in metres from a corner near Xiangyang and written straight to the tables.
"""

from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, insert

from geo.model import (
    Building,
    Compound,
    Facility,
    Grid,
    GridMember,
    GridPlan,
    Railway,
    Region,
    Road,
    Water,
)

WEST, SOUTH = 112.14, 32.04
DEGREES_X, DEGREES_Y = 1 / 94_430, 1 / 110_890  # of a metre, at this latitude

CITY, DISTRICT, STREET = "420600000000", "420602000000", "420602001000"
FAR_CITY = "429900000000"
NORTH_GATE, DRUM_TOWER, RIVERSIDE = "420602001001", "420602001002", "420602001003"
COMMUNITIES = {
    NORTH_GATE: ("北门社区", 0, 0, 600, 400),
    DRUM_TOWER: ("钟鼓楼社区", 600, 0, 1200, 400),
    RIVERSIDE: ("江滨<社区>", 0, 400, 1200, 700),
}
DRAWN_AT = datetime(2026, 3, 1, tzinfo=UTC)


def degrees(x: float, y: float) -> tuple[float, float]:
    """Return longitude and latitude of a place in the town."""
    return WEST + x * DEGREES_X, SOUTH + y * DEGREES_Y


def box(west: float, south: float, east: float, north: float) -> str:
    corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    return f"SRID=4490;MULTIPOLYGON((({_path(corners)})))"


def line(*places: tuple[float, float]) -> str:
    return f"SRID=4490;LINESTRING({_path(places)})"


def _path(places: list[tuple[float, float]] | tuple[tuple[float, float], ...]) -> str:
    return ",".join("{:.9f} {:.9f}".format(*degrees(x, y)) for x, y in places)


def build(engine: Engine) -> None:
    """Fill an empty database with the town."""
    with engine.begin() as connection:
        connection.execute(insert(Region), _regions())
        for table, rows in _layers().items():
            connection.execute(insert(table), rows)
        for code, (_, west, south, east, north) in COMMUNITIES.items():
            plan = connection.execute(insert(GridPlan).returning(GridPlan.id), _plan(code))
            _draw(connection, plan.scalar_one(), code, (west, south, east, north))


def add_far_city(connection: Connection) -> None:
    """Add a city without a border, as the region of other planners."""
    connection.execute(insert(Region), {"code": FAR_CITY, "name": "远市", "level": "city"})


def _regions() -> list[dict[str, object]]:
    whole = box(0, 0, 1200, 700)
    top = [
        {"code": CITY, "name": "襄阳市", "level": "city", "parent_code": None, "geom": whole},
        {"code": DISTRICT, "name": "襄城区", "level": "district", "parent_code": CITY},
        {"code": STREET, "name": "昭明街道", "level": "street", "parent_code": DISTRICT},
    ]
    communities = [
        {
            "code": code,
            "name": name,
            "level": "community",
            "parent_code": STREET,
            "geom": box(*land),
        }
        for code, (name, *land) in COMMUNITIES.items()
    ]
    return [{"geom": whole} | row for row in top] + communities


def _layers() -> dict[type, list[dict[str, object]]]:
    across = [
        ("arterial", "胜利街", line((0, 400), (1200, 400))),
        ("secondary", "鼓楼巷", line((600, 0), (600, 400))),
        *(("local", f"{x}路", line((x, 0), (x, 400))) for x in (200, 400, 800, 1000)),
        ("alley", "", line((0, 200), (1200, 200))),
        ("path", "", line((40, 20), (560, 180))),
    ]
    roads = [
        {"code": f"r{i}", "road_class": kind, "name": name, "geom": geom}
        for i, (kind, name, geom) in enumerate(across)
    ]
    return {
        Road: roads,
        Railway: [{"code": "rail", "name": "汉丹线", "geom": line((-50, 30), (1250, 60))}],
        Water: [
            {"code": "han", "kind": "river", "name": "汉江", "geom": box(0, 640, 1200, 760)},
            {
                "code": "moat",
                "kind": "canal",
                "name": "护城河",
                "width_m": 9,
                "geom": line((0, 390), (590, 390)),
            },
        ],
        Compound: [
            {"code": "c1", "name": "檀溪小区", "gated": True, "geom": box(205, 205, 395, 380)}
        ],
        Facility: [
            {
                "code": "park",
                "category": "park",
                "name": "滨江公园",
                "geom": box(620, 560, 980, 630),
            },
            {
                "code": "school",
                "category": "school",
                "name": "荆州街小学",
                "geom": "SRID=4490;POINT({} {})".format(*degrees(1100, 560)),
            },
        ],
        Building: [row for code in COMMUNITIES for row in buildings(code)],
    }


def buildings(community: str) -> list[dict[str, object]]:
    _, west, south, east, north = COMMUNITIES[community]
    places = [
        (x, y)
        for y in range(south + 25, min(north, 620) - 20, 50)
        for x in range(west + 15, east, 50)
    ]
    return [
        {
            "code": f"b{community[-3:]}-{number:03d}",
            "name": f"{number}号楼",
            "use": "residential",
            "storeys_above": 6,
            "households": 22 + number % 7,
            "households_source": "register",
            "region_code": community,
            "geom": box(x, y, x + 30, y + 13),
        }
        for number, (x, y) in enumerate(places, 1)
    ]


def _plan(community: str) -> dict[str, object]:
    published = community != RIVERSIDE
    return {
        "community_code": community,
        "version": 2 if published else 1,
        "status": "published" if published else "draft",
        "score": SCORE,
        "created_at": DRAWN_AT,
        "published_at": DRAWN_AT if published else None,
    }


SCORE = {
    "grids": 6,
    "households": 2400,
    "within_limits": 5 / 6,
    "smallest": 288,
    "largest": 433,
    "mean_deviation": 21.5,
    "contiguous": True,
    "gap_m2": 0.0,
    "overlap_m2": 0.0,
    "border_on_barrier": 0.92,
    "compounds_split": 0,
    "compounds_split_all": 1,
    "spikes": 2,
    "narrow_m2": 35.0,
    "beside_street_m": 18.0,
    "straddled_m": 12.0,
    "arterial_inside_m": 12.0,
    "railway_inside_m": 0.0,
    "water_inside_m": 0.0,
    "polsby_popper": 0.785,
    "walk_m": 71.4,
    "walk_ways_m": 168.2,
    "walk_far": 0.03,
    "reasons": [
        [
            "outside_limits",
            {"grid": "420602001001004", "households": 288, "lower": 300, "upper": 500},
        ]
    ],
}


def _draw(connection, plan: int, community: str, land: tuple[int, int, int, int]) -> None:
    west, south, east, north = land
    rows = 1 if community == RIVERSIDE else 2
    high = (north - south) // rows
    cells = [
        (x, north - (row + 1) * high, x + 200, north - row * high)
        for row in range(rows)
        for x in range(west, east, 200)
    ]
    for serial, cell in enumerate(cells, 1):
        inside = [
            building
            for building, (x, y) in zip(buildings(community), _corners(community), strict=True)
            if cell[0] <= x < cell[2] and cell[1] <= y < cell[3]
        ]
        dedicated = community == RIVERSIDE and serial == len(cells)
        code = f"{community}{901 if dedicated else serial:03d}"
        grid = connection.execute(
            insert(Grid).returning(Grid.id),
            {
                "plan_id": plan,
                "code": code,
                "kind": "dedicated" if dedicated else "general",
                "households": sum(building["households"] for building in inside),
                "valid_from": None if community == RIVERSIDE else DRAWN_AT,
                "geom": box(*cell),
            },
        ).scalar_one()
        members = [
            {
                "plan_id": plan,
                "grid_id": grid,
                "building_code": building["code"],
                "households": building["households"],
                "geom": building["geom"],
            }
            for building in inside
        ]
        connection.execute(insert(GridMember), members)


def _corners(community: str) -> list[tuple[int, int]]:
    _, west, south, east, north = COMMUNITIES[community]
    return [
        (x, y)
        for y in range(south + 25, min(north, 620) - 20, 50)
        for x in range(west + 15, east, 50)
    ]
