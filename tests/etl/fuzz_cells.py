"""Cells of deliveries: what people write in a column, and what it means."""

from dataclasses import dataclass
from typing import Any

import pyproj
import shapely
from hypothesis import strategies as st

from etl.input.synonyms import VALUES
from tests.etl.delivery import SOUTH, WEST, X, Y

LIVE, ASIDE = "live", "aside"
"""What becomes of a row: it is live as meant, or in quarantine."""

TABLES = ("csv", "xlsx")
COMMON = "住宅楼商业办公幸福小区胜利街友谊路樊城襄阳号院东西南北门新村花园社广场医院学校一二三ABC12"
RARE = "䶮㳇𬭎𠮷叆"
FULL_WIDTH = str.maketrans("0123456789.", "０１２３４５６７８９．")
FACTORS = {
    "height_m": {"": 1, "m": 1, "米": 1, "cm": 100, "厘米": 100},
    "flow_l_s": {"": 1, "L/s": 1, "l/s": 1, "m3/h": 3.6, "L/min": 60},
    "pressure_mpa": {"": 1, "MPa": 1, "kPa": 1000, "bar": 10},
    "width_m": {"": 1, "m": 1, "米": 1, "cm": 100},
}
"""Units of a measure, with the figure that one of its own unit is in each."""

COUNTERS = {"households": "户", "population": "人", "storeys_above": "层", "year_built": "年"}
FAR = (("0", "0"), ("1.957", "0.559"), ("121.47", "31.23"))
"""Longitudes and latitudes far from the city: none, radians, another city."""

NEEDED = ("category", "network", "kind", "road_class")


@dataclass(frozen=True)
class Cell:
    """A value as it is written, and what it means."""

    written: Any
    meant: Any
    fate: str = LIVE


def texts(encoding: str) -> st.SearchStrategy[Cell]:
    """Draw names, of which rare characters are only in encodings that hold them for sure."""
    alphabet = COMMON if encoding == "gb18030" else COMMON + RARE
    names = st.text(alphabet, min_size=3, max_size=9)
    padded = st.tuples(
        st.sampled_from(["", " ", "\u3000"]), names, st.sampled_from(["", " ", "\t"])
    )
    return st.one_of(
        names.map(lambda name: Cell(name, name)),
        padded.map(lambda parts: Cell("".join(parts), parts[1])),
    )


def counts(column: str) -> st.SearchStrategy[Cell]:
    """Draw whole numbers as people write them."""
    low, high = {"year_built": (1950, 2020), "storeys_above": (1, 33)}.get(column, (0, 900))
    forms = [str, float, int, lambda n: f" {n} ", lambda n: str(n).translate(FULL_WIDTH)]
    forms += [lambda n: f"{n}.0", lambda n: f"{n}{COUNTERS[column]}"]
    good = st.builds(
        lambda number, form: Cell(form(number), number),
        st.integers(low, high),
        st.sampled_from(forms),
    )
    bad = ("约12", "12-14", "十二", "12.5", "-3", "#N/A", "1,200", "99999999999", "12;14")
    return st.one_of(good, good, good, empties(), st.sampled_from(bad).map(aside))


def measures(column: str, header_unit: str) -> st.SearchStrategy[Cell]:
    """Draw figures in the unit of the header, or with a unit of their own."""
    factors = FACTORS[column]
    values = {"pressure_mpa": st.integers(1, 16).map(lambda n: n / 10)}
    value = values.get(column, st.integers(6, 160).map(lambda n: n / 2))

    def write(meant: float, unit: str, blank: str, is_typed: bool) -> Cell:
        figure = round(meant * factors[unit or header_unit], 6)
        plain = int(figure) if figure == int(figure) else figure
        if not unit:
            return Cell(plain if is_typed else str(plain), meant)
        return Cell(f"{plain}{blank}{unit}", meant)

    good = st.builds(
        write, value, st.sampled_from(["", *factors]), st.sampled_from(["", " "]), st.booleans()
    )
    bad = st.sampled_from(("约5", "5~8", "5 parsec", "≥15", "1,200"))
    return st.one_of(good, good, good, empties(), bad.map(aside))


def words(column: str, layer: str) -> st.SearchStrategy[Cell]:
    """Draw the words of a list, unknown ones, and none where none is needed."""
    table = VALUES.get(f"{column}@{layer}") or VALUES[column]
    known = [Cell(word, ours) for ours, synonyms in table.items() for word in synonyms.split()]
    known += [Cell(f" {ours} ", ours) for ours in table]
    bad = st.sampled_from(("某某", "住宅？", "?")).map(aside)
    more = [bad] if column in NEEDED else [bad, empties()]
    return st.one_of(*[st.sampled_from(known)] * 4, *more)


def empties() -> st.SearchStrategy[Cell]:
    return st.sampled_from((None, "", " ", "—", "/", "不详")).map(lambda text: Cell(text, None))


def aside(written: Any) -> Cell:
    return Cell(written, None, ASIDE)


def codes(row: int, form: str) -> st.SearchStrategy[Cell]:
    """Draw the code of a row, as spreadsheets and input methods alter it."""
    plain = (f"{row:05d}", f"B-{row}", f"42060600700{row:07d}")
    forms = [lambda code: code, lambda code: f" {code}", lambda code: code.translate(FULL_WIDTH)]
    if form in TABLES:
        forms += [lambda code: f'="{code}"', lambda code: f"'{code}", lambda code: f"{code}\u200b"]
    good = st.builds(
        lambda code, alter: Cell(alter(code), code), st.sampled_from(plain), st.sampled_from(forms)
    )
    bad = st.sampled_from((f"4.2060{row}E+17", "#REF!", None, "")).map(aside)
    return st.one_of(*[good] * 6, bad)


def places(row: int, layer: str, form: str, crs: str, style: str) -> st.SearchStrategy[Cell]:
    """Draw the shape of a row; in tables the texts of longitude and latitude, or WKT."""
    x, y = WEST + (40 * row + 3) * X, SOUTH + 11 * Y
    shape: Any = shapely.Point(x, y)
    if layer == "building":
        shape = shapely.box(x, y, x + 20 * X, y + 12 * Y)
    if layer == "road":
        shape = shapely.LineString([(x, y), (x + 30 * X, y + 20 * Y)])
    to = pyproj.Transformer.from_crs("EPSG:4490", crs, always_xy=True).transform
    delivered = shapely.transform(shape, lambda xy: list(zip(*to(*xy.T), strict=True)))
    if form not in TABLES:
        return st.just(Cell(delivered, shape))
    if layer in ("building", "road"):
        bad = ("POLYGON ((112.14 32.04, 112.15", "无", None)
        return st.one_of(
            *[st.just(Cell(delivered.wkt, shape))] * 5, st.sampled_from(bad).map(aside)
        )
    good = Cell((write_angle(delivered.x, style), write_angle(delivered.y, style)), shape)
    bad = [("112.1l", "32.04"), ("112.14", ""), ("", ""), ("东边", "32.04")]
    bad += [] if crs != "EPSG:4490" else list(FAR)
    return st.one_of(*[st.just(good)] * 5, st.sampled_from(bad).map(aside))


def write_angle(value: float, style: str) -> str:
    if style == "sexagesimal":
        minutes, seconds = divmod(round(value * 3600, 3), 60)
        return f"{int(minutes // 60)}°{int(minutes % 60):02d}′{seconds:06.3f}″"
    if style == "full width":
        return f"{value:.9f}".translate(FULL_WIDTH)
    return f"{value:.4f}" if value > 360 else f"{value:.9f}"
