"""Sheets, atlas, boards, cards and lists as a reader of the files finds them."""

import io
import os
import re
import subprocess
import sys

import numpy as np
import openpyxl
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
import pytest
import shapely
import typst
import zxingcpp
from PIL import Image, ImageFont
from sqlalchemy import insert, update

from geo.errors import GridatlasWarning, InputError, NotFoundError
from geo.model import Building, Facility, GridInformant, GridManager, GridPlan
from geo.settings import settings
from maps.atlas.sheet import read_entries
from maps.colours import PALETTE, touching_pairs
from maps.paper.assignment import assignment_workbook
from maps.paper.glyphs import replace_undrawable
from maps.paper.label_placer import label_extent
from maps.paper.labels import building_labels, place_labels
from maps.paper.map_documents import community_sheet, read_entry, street_atlas
from maps.paper.map_sheets import (
    PageSet,
    add_community_pages,
    lay_out_community,
    with_sheet_of_area,
)
from maps.paper.notice import contact_cards, notice_boards
from maps.paper.page_layout import PAPERS
from maps.paper.pdf import write_file
from maps.paper.svg_map import PATTERNS, Canvas, draw_sheet
from tests import town as t

MM = 72 / 25.4
SITE = "https://grid.example"


@pytest.fixture(scope="module")
def staffed(town):
    """Return the town with a manager, a photo, informants and a service station."""
    photo = io.BytesIO()
    Image.new("RGB", (60, 80), "#cc3311").save(photo, "PNG")
    grid = f"{t.NORTH_GATE}001"
    station = {
        "code": "station",
        "category": "service_station",
        "name": "北门服务站",
        "phone": "0710-3510000",
        "region_code": t.NORTH_GATE,
        "geom": "SRID=4490;POINT({} {})".format(*t.degrees(300, 150)),
    }
    manager = {"grid_code": grid, "name": "王#[秀]兰*", "phone": "13900000001", "duties": "走访"}
    manager |= {"tasks": "信息采录"}
    informants = [
        {"grid_code": grid, "name": f"信息员{i}", "phone": "1", "households": 60} for i in range(6)
    ]
    with town.begin() as connection:
        connection.execute(insert(Facility), station)
        connection.execute(insert(GridManager), manager | {"photo": photo.getvalue()})
        connection.execute(insert(GridInformant), informants)
    return town


@pytest.fixture
def connection(staffed):
    with staffed.connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def sheet(staffed):
    with staffed.connect() as connection:
        printed = community_sheet(connection, t.NORTH_GATE, PAPERS["A3"])
    return printed, pdfium.PdfDocument(printed.pdf)


def words(page):
    return page.get_textpage().get_text_range()


def run_on(page):
    """Return the words of a page without the gaps between their letters."""
    return "".join(words(page).split())


def rectangles(page):
    """Return left, top, width, height in millimetres of every filled rectangle of a page."""
    for one in page.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_PATH], max_depth=6):
        left, bottom, right, top = (side / MM for side in one.get_bounds())
        yield left, top, right - left, top - bottom


def test_sheet_has_paper_size_and_title(sheet):
    printed, pdf = sheet
    assert [round(side / MM) for side in pdf[0].get_size()] == [420, 297]
    said = run_on(pdf[0])
    for expected in (
        "北门社区网格图",
        "襄阳市",
        "昭明街道",
        t.NORTH_GATE,
        f"1:{printed.layouts[t.NORTH_GATE].scale}",
        "第2版",
        "2026-03-01",
        "钟鼓楼社区",
        "江滨<社区>",
        "王#[秀]兰*",
        "北门服务站",
        "图例",
    ):
        assert expected in said, expected


def test_every_grid_and_building_is_numbered(sheet):
    printed, pdf = sheet
    assert printed.left_out == []
    said = words(pdf[0]).split()
    for number in range(1, len(t.buildings(t.NORTH_GATE)) + 1):
        assert str(number) in said
    assert sum("户" in word for word in said) >= 6


def test_scale_bar_has_its_stated_length(sheet):
    """Its four parts, each with a hairline of 0.28 mm around it, follow one on another."""
    printed, pdf = sheet
    scale = printed.layouts[t.NORTH_GATE].scale
    parts = [box for box in rectangles(pdf[0]) if box[3] == pytest.approx(1.68, abs=0.01)]
    assert len(parts) == 4
    metres = np.diff([box[0] for box in parts]).mean() * scale / 1000
    assert metres == pytest.approx(round(metres), abs=0.01)
    assert f"{round(metres) * 4} m" in words(pdf[0])


def test_map_is_drawn_to_scale(staffed):
    """A building 30 m by 13 m is drawn that large."""
    with staffed.connect() as connection:
        laid = lay_out_community(
            connection, read_entries(connection, t.NORTH_GATE)[0], PAPERS["A3"]
        )
    layout = laid.layout
    canvas = Canvas(layout.box(layout.tiles[0]), layout.scale)
    drawn = canvas.to_paper(laid.sheet.buildings.geometry.iloc[0])
    assert drawn.area == pytest.approx(30_000 * 13_000 / layout.scale**2, rel=0.01)
    assert drawn.length == pytest.approx(86_000 / layout.scale, rel=0.01)
    assert canvas.size == pytest.approx(layout.frame)


def test_labels_do_not_overlap_and_stay_inside_the_map(staffed):
    with staffed.connect() as connection:
        for entry in read_entries(connection, t.DISTRICT):
            laid = lay_out_community(connection, entry, PAPERS["A4"])
            for tile in laid.layout.tiles:
                canvas = Canvas(laid.layout.box(tile), laid.layout.scale)
                placed = place_labels(laid.sheet, canvas, "zh").placed
                rooms = np.array([label_extent(one) for one in placed])
                left, _ = shapely.STRtree(rooms).query(rooms, predicate="overlaps")
                assert len(left) == 0, [placed[place] for place in left]
                paper = shapely.box(0, 0, *canvas.size)
                assert shapely.covers(paper, rooms).all()
                assert {"grid", "street", "neighbour"} <= {one.kind for one in placed}


def test_neighbours_differ_without_colour(staffed):
    """Two grids side by side never share both tone and pattern: each fill has its own pattern."""
    assert len(set(PATTERNS)) == len(PATTERNS) == len(PALETTE)
    with staffed.connect() as connection:
        laid = lay_out_community(
            connection, read_entries(connection, t.NORTH_GATE)[0], PAPERS["A3"]
        )
    areas = laid.sheet.grids.geometry.to_numpy()
    for one, other in zip(*touching_pairs(areas, 0.5), strict=True):
        left, right = (laid.colours[laid.sheet.grids["code"][index]] for index in (one, other))
        assert PATTERNS[left] != PATTERNS[right]


def test_fonts_are_embedded_and_the_map_is_vector(sheet):
    _, pdf = sheet
    kinds = {one.type for one in pdf[0].get_objects(max_depth=6)}
    assert pdfium_c.FPDF_PAGEOBJ_IMAGE not in kinds
    for one in pdf[0].get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_TEXT], max_depth=6):
        font = pdfium_c.FPDFTextObj_GetFont(one)
        assert pdfium_c.FPDFFont_GetIsEmbedded(font) == 1


def test_character_without_a_glyph_is_shown_by_its_number():
    with pytest.warns(GridatlasWarning, match=r"\[U\+10FFFD\]"):
        assert replace_undrawable("张\U0010fffd三") == "张[U+10FFFD]三"
    assert replace_undrawable("襄阳 é½\t\u200b葛\U000e0100") == "襄阳 é½\t\u200b葛\U000e0100"


def test_font_that_is_damaged_or_of_pictures_stops_no_document(tmp_path):
    font = bytearray(ImageFont.load_default(10).path.getvalue())
    for tag in (b"glyf", b"loca"):  # without outlines, as fonts of coloured emoji
        at = font.index(tag)
        font[at : at + 4] = tag[:3] + b"z"
    (tmp_path / "fonts").mkdir()
    (tmp_path / "fonts" / "a.ttf").write_bytes(font)
    code = (
        "from maps.paper.glyphs import replace_undrawable, system_fonts\n"
        "assert any(str(font.path).endswith('a.ttf') for font in system_fonts().fonts())\n"
        "print(ascii(replace_undrawable('\\u5f20')))"
    )
    command, variables = [sys.executable, "-c", code], {"XDG_DATA_HOME": str(tmp_path)}
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True)
    assert done.stdout.strip() == ascii("张"), done.stderr


def test_same_plan_gives_the_same_file(connection):
    one, other = (community_sheet(connection, t.DRUM_TOWER, PAPERS["A4"]).pdf for _ in range(2))
    assert one == other


def test_large_community_has_several_sheets_with_an_index(connection):
    printed = community_sheet(connection, t.NORTH_GATE, PAPERS["A4"], scale=1000, lang="en")
    pdf = pdfium.PdfDocument(printed.pdf)
    tiles = printed.layouts[t.NORTH_GATE].tiles
    assert len(tiles) > 1
    assert len(pdf) == len(tiles) + 1
    index = words(pdf[0])
    assert "6 grids · 2400 households · 96 buildings" in index
    assert all(tile.label in index for tile in tiles)
    assert f"Sheet {tiles[0].label}" in words(pdf[1])
    assert f"continues on sheet {tiles[1].label}" in words(pdf[1])


def test_sheet_names_compounds_and_the_managers_phone(sheet):
    _, pdf = sheet
    said = run_on(pdf[0])
    assert "檀溪小区" in said
    assert "13900000001" in said


def test_sheet_names_its_coordinate_system_in_its_language(connection):
    chinese, english = (
        run_on(
            pdfium.PdfDocument(
                community_sheet(connection, t.DRUM_TOWER, PAPERS["A3"], lang=lang).pdf
            )[0]
        )
        for lang in ("zh", "en")
    )
    assert "2000国家大地坐标系（CGCS2000），高斯-克吕格投影（3度带），中央经线111°" in chinese
    assert "CGCS2000,3-degreeGauss-Krüger,centralmeridian111°" in english


def test_sheet_states_producer_approval_and_date(connection, monkeypatch):
    monkeypatch.setenv("GRIDATLAS_MAP_PRODUCER", "襄阳市民政局")
    monkeypatch.setenv("GRIDATLAS_MAP_APPROVAL", "鄂S(2026)001号")
    settings.cache_clear()
    try:
        printed = pdfium.PdfDocument(community_sheet(connection, t.DRUM_TOWER, PAPERS["A3"]).pdf)
        atlas = pdfium.PdfDocument(street_atlas(connection, t.STREET, PAPERS["A4"]).pdf)
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    for page in (printed[0], atlas[0]):
        said = run_on(page)
        assert "编制单位：襄阳市民政局" in said
        assert "审图号：鄂S(2026)001号" in said
        assert "编制日期2026-03-01" in said


SWATCH = """#set page(width: 8mm, height: 4.4mm, margin: 0mm)
#image("sign.svg", width: 8mm)"""


def test_every_swatch_of_the_legend_is_drawn(staffed, tmp_path):
    """Each legend picture has ink, and every kind of line and point on the sheet is explained."""
    with staffed.connect() as connection:
        entry = read_entry(connection, t.NORTH_GATE)
        laid = lay_out_community(connection, entry, PAPERS["A3"])
        page_set = PageSet([], {})
        add_community_pages(page_set, connection, entry, laid, "zh")
    signs = {sign["words"]: sign["picture"] for sign in page_set.pages[0]["legend"]}
    assert {"服务站", "相邻社区边界", "小区围墙", "铁路", "水域"} <= set(signs)
    for words, name in signs.items():
        (tmp_path / "sign.svg").write_bytes(page_set.pictures[name])
        (tmp_path / "swatch.typ").write_text(SWATCH, encoding="utf-8")
        (drawing,) = pdfium.PdfDocument(typst.compile(tmp_path / "swatch.typ"))
        pixels = np.asarray(drawing.render(scale=8).to_pil().convert("L"))
        assert pixels.min() < 235, words
        assert pixels.std() > 5, words


def test_patterns_leave_labels_free(staffed):
    with staffed.connect() as connection:
        entry = read_entry(connection, t.NORTH_GATE)
        laid = lay_out_community(connection, entry, PAPERS["A3"])
    canvas = Canvas(laid.layout.box(laid.layout.tiles[0]), laid.layout.scale)
    rooms = [label_extent(label) for label in place_labels(laid.sheet, canvas, "zh").placed]
    svg = draw_sheet(laid.sheet, canvas, laid.colours, labels=rooms)
    hatched = shapely.union_all(
        [
            shapely.Polygon([point.split() for point in ring.split("L")])
            for path in re.findall(r'<path d="([^"]+)" fill="url', svg)
            for ring in re.findall(r"M([^Z]+)Z", path)[:1]
        ]
    )
    assert hatched.area > 1000
    assert shapely.distance(np.array(rooms), hatched).min() >= 0


def test_card_is_called_as_the_programme_calls_it_and_has_its_fields(connection):
    card = contact_cards(connection, t.NORTH_GATE, grid=f"{t.NORTH_GATE}001", site=SITE)
    said = run_on(pdfium.PdfDocument(card)[0])
    for words in ("民情联系服务卡", "网格管理员", "王#[秀]兰*", "13900000001"):
        assert words in said
    assert "工作内容：信息采录" in said
    assert "职责：走访" in said


def test_ten_copies_of_one_card_fill_a_page(connection):
    grid = f"{t.NORTH_GATE}001"
    pdf = pdfium.PdfDocument(
        contact_cards(connection, t.NORTH_GATE, grid=grid, copies=10, site=SITE)
    )
    assert len(pdf) == 1
    assert scanned(pdf[0], 4) == [f"{SITE}/?grid={grid}"] * 10
    with pytest.raises(NotFoundError):
        contact_cards(connection, t.NORTH_GATE, grid=f"{t.NORTH_GATE}099", site=SITE)


@pytest.mark.parametrize(
    "site", ["", "http://127.0.0.1:8000", "http://localhost", "http://[::1]:8000", "http://0.0.0.0"]
)
def test_code_that_leads_to_this_machine_only_is_refused(connection, site):
    for printed in (contact_cards, notice_boards):
        with pytest.raises(InputError, match="GRIDATLAS_SITE"):
            printed(connection, t.NORTH_GATE, site=site)


def test_atlas_has_cover_contents_overview_and_every_community(connection):
    printed = street_atlas(connection, t.STREET, PAPERS["A3"])
    pdf = pdfium.PdfDocument(printed.pdf)
    sheets = [len(layout.tiles) for layout in printed.layouts.values()]
    assert sheets == [1, 1, 2]
    assert len(pdf) == 4 + sum(sheets) + 1, "one has an index sheet too"
    directory = run_on(pdf[3])
    assert "王#[秀]兰*" in directory
    assert "13900000001" in directory
    assert "网格图谱" in run_on(pdf[0])
    contents_page = words(pdf[1])
    for place, (name, *_) in enumerate(t.COMMUNITIES.values()):
        assert name in contents_page
        assert f"{name}网格图" in run_on(pdf[4 + place])
        assert str(5 + place) in contents_page.split()
        assert name in run_on(pdf[2])
    assert "0710-3510000" in contents_page, "the service station"
    assert [mark.get_title() for mark in pdf.get_toc()] == [
        f"{name}网格图" for name, *_ in t.COMMUNITIES.values()
    ]


def test_board_is_a2_with_photo_and_qr_code(connection):
    grid = f"{t.NORTH_GATE}001"
    board = notice_boards(connection, t.NORTH_GATE, grid=grid, site=SITE)
    pdf = pdfium.PdfDocument(board)
    assert len(pdf) == 1
    assert [round(side / MM) for side in pdf[0].get_size()] == [594, 420]
    said = run_on(pdf[0])
    assert "王#[秀]兰*" in said
    assert "13900000001" in said
    assert "信息员5" in said
    assert f"https://grid.example/?grid={grid}" in said
    pictures = [
        one for one in pdf[0].get_objects(max_depth=6) if one.type == pdfium_c.FPDF_PAGEOBJ_IMAGE
    ]
    assert len(pictures) == 1


def scanned(page, scale=2):
    """Return what a telephone reads in the codes of a page."""
    found = zxingcpp.read_barcodes(page.render(scale=scale).to_numpy())
    return [one.text for one in found if one.format == zxingcpp.BarcodeFormat.QRCode]


def test_qr_codes_link_to_the_public_page_of_the_grid(connection):
    site = "https://grid.example/"
    grids = [f"{t.NORTH_GATE}{serial:03d}" for serial in range(1, 7)]
    boards = pdfium.PdfDocument(notice_boards(connection, t.NORTH_GATE, site=site))
    assert [scanned(board) for board in boards] == [[f"{site}?grid={grid}"] for grid in grids]
    cards = pdfium.PdfDocument(contact_cards(connection, t.NORTH_GATE, site=site))
    assert sorted(scanned(cards[0], 4)) == [f"{site}?grid={grid}" for grid in grids]


def test_board_shows_the_surroundings_of_its_grid(connection):
    """A grid at the community's edge: the buildings beyond are drawn too."""
    entry = read_entry(connection, t.NORTH_GATE)
    laid = lay_out_community(connection, entry, PAPERS["A2"])
    wide = shapely.buffer(laid.sheet.entry.land, 300.0)
    widened = with_sheet_of_area(connection, entry, laid, wide)
    far = widened.sheet.buildings.distance(laid.sheet.entry.land) > 150
    assert far.sum() > 10
    assert len(widened.sheet.buildings) > len(laid.sheet.buildings)


def test_cards_are_ninety_by_fifty_four(connection):
    pdf = pdfium.PdfDocument(contact_cards(connection, t.NORTH_GATE, site=SITE, lang="en"))
    assert [round(side / MM) for side in pdf[0].get_size()] == [210, 297]
    said = words(pdf[0])
    assert said.count("Grid manager") == 6
    assert "0710-3510000" in said
    cards = [box for box in rectangles(pdf[0]) if box[2] == pytest.approx(90, abs=0.6)]
    assert any(box[3] == pytest.approx(54, abs=0.6) for box in cards)


def test_assignment_list_has_every_building_and_no_formula(staffed):
    code = t.buildings(t.DRUM_TOWER)[0]["code"]
    with staffed.begin() as connection:
        ours = Building.code == code
        connection.execute(update(Building).where(ours).values(name='=HYPERLINK("http://x")'))
        book = assignment_workbook(connection, t.DRUM_TOWER)
    opened = openpyxl.load_workbook(io.BytesIO(book))
    rows = list(opened.active.iter_rows())
    assert len(rows) == 1 + len(t.buildings(t.DRUM_TOWER))
    assert [cell.value for cell in rows[0]][:3] == ["网格", "网格编码", "建筑"]
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if cell.data_type == "f"]
    suspect = next(cell for cell in cells if str(cell.value).startswith("="))
    assert suspect.quotePrefix
    assert sum(row[6].value for row in rows[1:]) > 0
    sums = list(opened["按网格汇总"].iter_rows(min_row=2, values_only=True))
    assert sum(row[3] for row in sums) == sum(row[6].value for row in rows[1:])
    assert sum(row[2] for row in sums) >= len({row[3].value for row in rows[1:]})


def test_assignment_list_names_the_service_point_of_each_grid(staffed):
    grid = f"{t.DRUM_TOWER}001"
    point = {"grid": grid, "building": "B7", "lon": 112.0, "lat": 32.0, "walk_m": 151.6, "far": 3}
    drawn = GridPlan.community_code == t.DRUM_TOWER
    with staffed.begin() as connection:
        score = t.SCORE | {"service_points": [point]}
        connection.execute(update(GridPlan).where(drawn).values(score=score))
        book = assignment_workbook(connection, t.DRUM_TOWER)
    opened = openpyxl.load_workbook(io.BytesIO(book))
    sums = {row[1]: row[4:] for row in opened["按网格汇总"].iter_rows(values_only=True)}
    assert sums.pop("网格编码") == ("服务点（建筑编码）", "平均步行（m）", "步行超 500 m 户数")
    assert sums.pop(grid) == ("B7", 152, 3)
    assert set(sums.values()) == {("", "", "")} or set(sums.values()) == {(None, None, None)}


def test_assignment_list_is_set_up_for_printing(town):
    with town.connect() as connection:
        book = openpyxl.load_workbook(io.BytesIO(assignment_workbook(connection, t.DRUM_TOWER)))
    for sheet, across in zip(book, ("landscape", "portrait"), strict=True):
        assert sheet.freeze_panes == "A2"
        assert sheet.print_title_rows == "$1:$1"
        assert (sheet.page_setup.orientation, sheet.page_setup.paperSize) == (across, 9)
        assert (sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight) == (1, 0)
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        assert "鼓楼社区" in sheet.oddHeader.center.text
        words = [cell for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)]
        for cell in words:  # a Chinese letter takes two columns' worth
            wide = sum(2 if ord(one) > 0x2E7F else 1 for one in cell.value)
            assert wide <= sheet.column_dimensions[cell.column_letter].width or cell.row == 1


@pytest.mark.parametrize(
    ("name", "address", "labels"),
    [
        ("松鹤村10栋", "长虹路56号松鹤村10栋", ["10"]),
        ("", "沿江大道181号18号楼", ["18"]),
        ("", "建设街181号", ["建设街181号", "181号"]),
        ("", "襄城区昭明街道建设街181号", ["建设街181号", "181号"]),
        ("3号楼", "", ["3"]),
        ("7A栋", "", ["7A"]),
        ("", "12 Rue Grimaldi", ["12 Rue Grimaldi", "12"]),
        ("礼堂", "", ["礼堂"]),
        ("Hôtel de Paris", "", []),
        ("", "", []),
    ],
)
def test_number_of_a_building_stands_with_its_street(name, address, labels):
    assert building_labels(name, address) == labels


def test_unknown_community_and_unwritable_path_are_reported(connection, tmp_path):
    with pytest.raises(NotFoundError):
        community_sheet(connection, "420602001099", PAPERS["A4"])
    with pytest.raises(NotFoundError):
        notice_boards(connection, t.NORTH_GATE, grid="420602001001099", site=SITE)
    (tmp_path / "file").touch()
    with pytest.raises(InputError):
        write_file(b"", tmp_path / "file" / "x.pdf")
