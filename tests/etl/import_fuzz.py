"""Deliveries whose right reading is known by construction, for the fuzzing of imports.

:func:`deliveries` draws a layer, a format, an encoding, headers and cells; each cell knows what it
means. :func:`check_delivery` writes the file, imports it and compares what is live.
:func:`fuzz` does so for minutes (``./gridatlas bench import --fuzz MINUTES``).
"""

import json
import math
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.sax.saxutils import escape

import geopandas as gpd
import openpyxl
import pyogrio
import shapely
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from etl.input.synonyms import COLUMNS, normalize_name
from geo.errors import InputError
from tests.etl.delivery import ANYTHING, box, bring, divisions, mapping, rows
from tests.etl.fuzz_cells import (
    COUNTERS,
    FACTORS,
    FAR,
    LIVE,
    TABLES,
    Cell,
    codes,
    counts,
    measures,
    places,
    texts,
    words,
)

ENCODINGS = ("utf-8", "utf-8-sig", "gb18030", "utf-16")
KINDS = {
    "building": ("use", "storeys_above", "households", "height_m", "year_built", "population"),
    "facility": ("category",),
    "pipe_node": ("network", "kind", "flow_l_s", "pressure_mpa", "in_service"),
    "road": ("road_class", "width_m", "surface"),
}
"""The columns of each layer that are drawn beside code, name and place."""


@dataclass
class Delivery:
    """A file to be written, and how.

    Attributes
    ----------
    headers
        Header of each column of ours, in the order of the file.
    cells
        One dict a row, from our columns to cells; ``place`` holds the shape or its texts.
    """

    layer: str
    form: str
    encoding: str
    headers: dict[str, str]
    cells: list[dict[str, Cell]]
    crs: str
    options: dict[str, Any] = field(default_factory=dict)


def headers_of(layer: str, column: str) -> list[str]:
    """Return the headers that mean one column of a layer only, and no coordinates."""
    known = COLUMNS[layer]
    names = [*known[column].split(), column]
    others = {
        normalize_name(word)
        for other, words in known.items()
        if other != column
        for word in (*words.split(), other)
    }
    return [name for name in names if normalize_name(name) not in others]


@st.composite
def deliveries(draw: st.DrawFn) -> Delivery:
    """Draw a delivery."""
    layer = draw(st.sampled_from(sorted(KINDS)))
    form = draw(st.sampled_from(["csv", "csv", "xlsx", "xlsx", "gpkg", "shp", "geojson", "kml"]))
    encoding = "utf-8"
    if form in ("csv", "shp", "geojson", "kml"):
        encoding = draw(st.sampled_from(ENCODINGS if form == "csv" else ENCODINGS[::2]))
    style = draw(st.sampled_from(["decimal", "sexagesimal", "full width"]))
    metres = form in (*TABLES, "gpkg", "shp") and draw(st.booleans())
    crs = "EPSG:4546" if metres else "EPSG:4490"
    style = "decimal" if metres else style
    names = ["code", "name", *KINDS[layer]]
    units = {
        name: draw(st.sampled_from(sorted(FACTORS[name]))) for name in names if name in FACTORS
    }
    headers = {}
    for name in draw(st.permutations(names)):
        possible = headers_of(layer, name)
        if form == "shp":
            codec = "gb18030" if encoding == "gb18030" else "utf-8"
            possible = [one for one in possible if len(one.encode(codec)) <= 10]
        if form == "kml":  # GDAL makes a field of its own of these
            possible = [one for one in possible if one.lower() not in ("id", "name")]
        header = draw(st.sampled_from(possible))
        if unit := units.get(name):
            if form == "shp":
                units[name] = ""
            else:
                header = header + draw(st.sampled_from(["（{}）", "({})"])).format(unit)
        headers[name] = header if form == "shp" else header.upper() if header.isascii() else header
    cells = []
    for row in range(draw(st.integers(3, 9))):
        drawn = {"code": codes(row, form), "name": texts(encoding)}
        for name in KINDS[layer]:
            if name in FACTORS:
                drawn[name] = measures(name, units[name])
            else:
                drawn[name] = counts(name) if name in COUNTERS else words(name, layer)
        drawn["place"] = places(row, layer, form, crs, style)
        cells.append({name: draw(strategy) for name, strategy in drawn.items()})
    options = draw(
        st.fixed_dictionaries(
            {
                "delimiter": st.sampled_from([",", ";", "\t", "|"]),
                "line_end": st.sampled_from(["\n", "\r\n", "\r"]),
                "titles": st.integers(0, 2),
                "sums": st.booleans(),
                "notes": st.booleans(),
                "unused": st.booleans(),
                "declares_encoding": st.booleans(),
            }
        )
    )
    return Delivery(layer, form, encoding, headers, cells, crs, options)


def table_lines(delivery: Delivery) -> list[list[Any]]:
    """Return the lines of a table, with what people write around it."""
    options, coordinates = delivery.options, ["经度", "纬度"]
    if delivery.crs != "EPSG:4490":
        coordinates = ["X坐标", "Y坐标"]
    coordinates = ["wkt"] if delivery.layer in ("building", "road") else coordinates
    header = [*delivery.headers.values(), *coordinates]
    lines = []
    for cells in delivery.cells:
        place = cells["place"].written
        place = list(place) if isinstance(place, tuple) else [place]
        lines.append([*(cells[name].written for name in delivery.headers), *place])
    if options["unused"]:
        header, lines = [*header, "备注"], [[*line, "某"] for line in lines]
    width = len(header)
    titles = [["某街道登记表"], ["填报单位：某街道", "2026年1月"]][: options["titles"]]
    after = [["合计", *[None] * (width - 2), 99]] if options["sums"] else []
    after += [["填表人：张三"]] if options["notes"] else []
    return [[*line, *[None] * (width - len(line))] for line in (*titles, header, *lines, *after)]


def write_csv(delivery: Delivery, path: Path) -> None:
    options = delivery.options
    end, delimiter = options["line_end"], options["delimiter"]
    lines = []
    for line in table_lines(delivery):
        cells = ["" if cell is None else str(cell) for cell in line]
        quoted = (
            '"' + cell.replace('"', '""') + '"'
            if any(sign in cell for sign in (delimiter, '"', "\n", "\r"))
            else cell
            for cell in cells
        )
        lines.append(delimiter.join(quoted) + end)
    path.write_bytes("".join(lines).encode(delivery.encoding))


def write_xlsx(delivery: Delivery, path: Path) -> None:
    book = openpyxl.Workbook()
    for line in table_lines(delivery):
        book.active.append(line)
    for row in book.active.iter_rows():
        for cell in row:
            cell.data_type = "s" if isinstance(cell.value, str) else cell.data_type
    book.save(path)


def write_kml(delivery: Delivery, path: Path) -> None:
    marks = []
    for cells in delivery.cells:
        data = "".join(
            f'<Data name="{escape(header)}"><value>{escape(str(value))}</value></Data>'
            for name, header in delivery.headers.items()
            if (value := cells[name].written) is not None
        )
        shape = cells["place"].written
        ring = shape.exterior if shape.geom_type == "Polygon" else shape
        path_text = " ".join(f"{x:.10f},{y:.10f}" for x, y in ring.coords)
        kml = f"<coordinates>{path_text}</coordinates>"
        kml = f"<{ring.geom_type}>{kml}</{ring.geom_type}>"
        if shape.geom_type == "Polygon":
            kml = f"<Polygon><outerBoundaryIs>{kml}</outerBoundaryIs></Polygon>"
        marks.append(f"<Placemark><ExtendedData>{data}</ExtendedData>{kml}</Placemark>")
    name = "GBK" if delivery.encoding == "gb18030" else "UTF-8"
    document = f"<Document>{''.join(marks)}</Document>"
    start = f'<?xml version="1.0" encoding="{name}"?><kml xmlns="http://www.opengis.net/kml/2.2">'
    path.write_bytes(f"{start}{document}</kml>".encode(delivery.encoding))


def write_vector(delivery: Delivery, path: Path) -> None:
    """Write a file by GDAL; a column of values of several types becomes one of texts."""
    columns: dict[str, list[Any]] = {}
    for name, header in delivery.headers.items():
        values = [cells[name].written for cells in delivery.cells]
        is_number = all(isinstance(value, int | float) for value in values)
        columns[header] = values if is_number else [v if v is None else str(v) for v in values]
    shapes = [cells["place"].written for cells in delivery.cells]
    frame = gpd.GeoDataFrame(columns, geometry=shapes, crs=delivery.crs)
    if path.suffix == ".geojson":
        content = json.loads(frame.to_json(drop_id=True))
        path.write_bytes(json.dumps(content, ensure_ascii=False).encode(delivery.encoding))
        return
    options = {"encoding": "GBK" if delivery.encoding == "gb18030" else "UTF-8"}
    pyogrio.write_dataframe(frame, path, **(options if path.suffix == ".shp" else {}))
    if path.suffix == ".shp" and not delivery.options["declares_encoding"]:
        path.with_suffix(".cpg").unlink(missing_ok=True)


WRITERS = {"csv": write_csv, "xlsx": write_xlsx, "kml": write_kml}


def expectation(delivery: Delivery) -> dict[str, dict[str, Any]]:
    """Return the values of the features that must be live, by code."""
    live = {}
    for cells in delivery.cells:
        if all(cell.fate == LIVE for cell in cells.values()):
            live[cells["code"].meant] = {name: cell.meant for name, cell in cells.items()}
    return live


def may_be_refused(delivery: Delivery) -> bool:
    """Return whether a delivery may be refused as a whole: no codes, or half lies far away."""
    if not any(cells["code"].written for cells in delivery.cells):
        return True
    places = [cells["place"] for cells in delivery.cells]
    return sum(place.written in FAR for place in places) * 2 >= sum(p.fate == LIVE for p in places)


def check_delivery(engine: Engine, delivery: Delivery, folder: Path) -> None:
    """Import a delivery, and fail where live data are not what it means."""
    expected = expectation(delivery)
    path = folder / f"a.{delivery.form}"
    WRITERS.get(delivery.form, write_vector)(delivery, path)
    crs = {"crs": delivery.crs} if delivery.form in TABLES else {}
    how = mapping(delivery.layer, coordinates=crs, guard=ANYTHING)
    try:
        outcome = bring(engine, delivery.layer, path, how, again=True)
    except InputError:
        assert may_be_refused(delivery)
        return
    names = [name for name in delivery.headers if name != "code"]
    columns = ", ".join(names).replace(
        "households", "CASE WHEN households_source IS NULL THEN NULL ELSE households END"
    )
    found = rows(engine, f"SELECT code, ST_AsBinary(geom), {columns} FROM {delivery.layer}")
    live = {code: dict(zip(("place", *names), values, strict=True)) for code, *values in found}
    assert live.keys() == expected.keys(), outcome.report
    for code, values in live.items():
        for name, value in values.items():
            assert is_same(value, expected[code][name]), (code, name, value, expected[code][name])
    count = rows(engine, "SELECT count(*) FROM quarantine")[0][0]
    assert count == len(delivery.cells) - len(expected), outcome.report


def is_same(value: Any, meant: Any) -> bool:
    """Return whether a live value is the meant one, places within a metre's hundredths."""
    if isinstance(meant, shapely.Geometry):
        shape = shapely.from_wkb(bytes(value))
        return bool(shapely.hausdorff_distance(shape, meant) < 2e-7)
    if isinstance(value, bool):
        return ("true" if value else "false") == meant
    if isinstance(meant, float):
        return isinstance(value, float) and math.isclose(value, meant, rel_tol=1e-6)
    return bool(value == meant) or (meant is None and value == "")


def clear(engine: Engine) -> None:
    """Remove the features and the quarantine of the deliveries before, but not the divisions."""
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(KINDS)}, quarantine CASCADE"))


def load_city(engine: Engine) -> None:
    """Load the divisions in which every delivery lies."""
    with TemporaryDirectory() as folder:
        divisions(engine, Path(folder), ("420602001001", box(-100, -100, 1300, 1300)))


def fuzz(engine: Engine, minutes: float, start: int = 0) -> tuple[int, int]:
    """Import deliveries for some minutes, and print those that are not read as they are meant.

    Returns
    -------
    tuple
        The number of deliveries and of those with a difference.
    """
    end_s, counts = time.monotonic() + 60 * minutes, Counter[str]()

    @settings(
        max_examples=50,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(delivery=deliveries())
    def import_one(delivery: Delivery) -> None:
        if time.monotonic() > end_s:
            return
        clear(engine)
        counts["all"] += 1
        with TemporaryDirectory() as folder:
            try:
                check_delivery(engine, delivery, Path(folder))
            except Exception:
                counts["wrong"] += 1
                print(delivery, traceback.format_exc(limit=-1), sep="\n", flush=True)

    load_city(engine)
    while time.monotonic() < end_s:
        seed(start)(import_one)()
        start += 1
    return counts["all"], counts["wrong"]
