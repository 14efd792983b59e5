"""Chinese addresses: their parts, and which building an address names.

The structure follows GB/T 23705-2009: divisions, then a road or a named place, then the number of
the gate, the building, the unit, the floor and the room. No maintained library does this offline:
``cpca``, ``addressparser`` and ``cnloc`` end at the district, ``libpostal`` knows neither buildings
nor units of Chinese addresses and needs 2 GB of model.

Numbers are compared exactly. A text that can be read in two ways keeps the doubtful part in
:attr:`Address.rest`, and then names no building.
"""

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import lru_cache

MAX_LENGTH = 200
"""Longer texts are no address and are not parsed."""


@dataclass(frozen=True)
class Address:
    """The parts of an address; a part that is not given is empty.

    Attributes
    ----------
    regions
        Divisions above the road, from the province down to the community, as written.
    road
        Road with its branches: ``中原路``, ``建设路二巷``.
    number
        Number of the gate, without 号: ``81``, ``81甲``, ``81-3``, ``81附1``, ``100弄``.
    place
        Residential quarter, village or other named place: ``锦绣小区``.
    building
        Number of the building, without 号楼, 栋, 幢, 座 or #: ``4``, ``A``, ``4甲``.
    unit, floor, room
        Without 单元, 层 and 室.
    rest
        Text that is not understood, or can be read in two ways.
    """

    regions: tuple[str, ...] = ()
    road: str = ""
    number: str = ""
    place: str = ""
    building: str = ""
    unit: str = ""
    floor: str = ""
    room: str = ""
    rest: str = ""

    @property
    def is_specific(self) -> bool:
        """Whether the address names one building: a road or place, and a number there."""
        has_base = bool(self.road and self.number) or bool(self.place and self.building)
        return has_base and not self.rest

    @property
    def is_street(self) -> bool:
        """Whether the address is a street alone."""
        return bool(self.road) and not (self.number or self.place or self.building or self.rest)


_PROVINCES = re.split(
    " ",
    "北京 天津 上海 重庆 河北 山西 辽宁 吉林 黑龙江 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 "
    "广东 海南 四川 贵州 云南 陕西 甘肃 青海 台湾 内蒙古 广西 西藏 宁夏 新疆 香港 澳门",
)
_HAN = "\u4e00-\u9fff〇"
_NUMERALS = "零〇一二三四五六七八九十百两"
_STEMS = "甲乙丙丁戊己庚辛"

_PROVINCE = re.compile(
    rf"(?:{'|'.join(_PROVINCES)})(?:省|(?:壮族|回族|维吾尔)?自治区|特别行政区)"
    rf"|(?:{'|'.join(_PROVINCES[4:])})(?=[{_HAN}]{{2,9}}?[市州盟区县])"
)
# A city is not the 市 of 城市花园, 都市华庭 or 超市.
_CITY = re.compile(
    rf"[{_HAN}]{{2,8}}?(?:(?<![城超夜集菜闹门])(?<![^成宜昌江武]都)市(?![场民政区])|自治州|地区(?!局)|盟)"
    rf"|[{_HAN}]城市(?=.*(?:区|镇|乡|街道|社区|路|街|道|巷))"
)
_DISTRICT = re.compile(rf"[{_HAN}]{{1,8}}?(?:区|自治县|(?<![小])县|旗)(?!委|政府)")
_NO_DISTRICT = re.compile(
    r"(?:[小社园校厂院片宅属活舍业景库矿期分一二三四五六七八九十\dA-Z]|(?<!城)[东西南北中])区$"
)
_STREET_OFFICE = re.compile(rf"[{_HAN}\d]{{1,8}}?街道(?:办事处|办)?")
_TOWN = re.compile(rf"[{_HAN}]{{1,6}}?(?<![小古水])(?:镇|乡|苏木)(?![路街大道巷江])")
_COMMUNITY = re.compile(
    rf"[{_HAN}\d]{{1,10}}?(?:社区(?:居委会|居民委员会)?|居委会|居民委员会|村委会|村民委员会)"
)
_VILLAGE = re.compile(rf"[{_HAN}]{{1,8}}?(?<!新)村(?![{_HAN}]?(?:路|街|道|巷|里|苑))")

_ROAD_WORD = "(?:胡同|里弄|高架|路|街|道|巷|条)"
_BRANCH = (
    rf"(?:[东西南北中\d一二三四五六七八九十]段|[东西南北中前后上下支横直老新]?(?:第?[\d{_NUMERALS}]+)?"
    r"(?:支路|支巷|支弄|横路|横街|路|街|巷|胡同|条)|[东西南北中](?=\d))"
)
# Words after which the name of a road is part of the name of a place: 铁路小区, 解放路市场.
_PLACE_WORD = (
    "(?:小区|社区|新村|花园|家园|花苑|佳苑|公寓|大厦|宿舍|家属|住宅|广场|市场|商场|商城|学校|小学|中学|"
    "医院|公司|局|厂|院|城|站|口|桥|村|苑|园|里|旁|边|附近|交叉|与)"
)
_ROAD = re.compile(
    rf"(?P<road>[{_HAN}A-Z\d·]{{0,12}}?[{_HAN}A-Z\d]{_ROAD_WORD}{_BRANCH}*)"
    rf"(?=$|第?附?[{_STEMS}]?\d|[{_HAN}A-Z](?!$))(?!{_PLACE_WORD})"
)

_SIGN = rf"[A-Z{_STEMS}东西南北中]"
_BUILDING_WORD = r"(?:号楼|号栋|号幢|号座|栋楼|栋|幢|座|#楼|#栋|#|橦)"
_NUMBER_END = r"(?:号大院|号院|号(?!楼|栋|幢|座|线|路|街))"

_LANE = re.compile(r"(?P<number>\d+)弄")
_NUMBER = re.compile(
    rf"(?P<stem>[{_STEMS}]?)(?P<first>\d+)(?P<tail>(?:[-之]\d+)?[{_STEMS}A-Z]?)"
    rf"(?:{_NUMBER_END}(?P<late>[{_STEMS}](?![座栋幢{_STEMS}单])|[-之]\d+(?![-\d#栋幢号单]))?)"
    r"(?:附(?P<annex>\d+)号?)?"
)
_BARE_ANNEX = re.compile(r"(?P<first>\d+)附(?P<annex>\d+)号?(?!楼)")
_LEADING_ANNEX = re.compile(r"附(?P<annex>\d+)号")
_BARE_NUMBER = re.compile(
    rf"(?P<number>\d+[{_STEMS}A-Z]?)(?=$|[{_HAN}](?<![栋幢座楼单层弄组期区室门]))"
)
_HYPHENS = re.compile(r"(?P<parts>[A-Z]?\d+[A-Z]?(?:-[A-Z]?\d+[A-Z]?){1,3})(?:号楼|室|号|房|户)?$")
_BUILDING = re.compile(rf"第?(?P<building>{_SIGN}?\d+{_SIGN}?|{_SIGN}){_BUILDING_WORD}")
_PLACE_NUMBER = re.compile(rf"(?P<building>{_SIGN}?\d+{_SIGN}?)号(?!线|路|街)")
_PLACE_END = rf"(?=$|第?{_SIGN}?\d|{_SIGN}{_BUILDING_WORD})"
_PLACE = re.compile(rf"(?P<place>[{_HAN}A-Z].*?(?<=[{_HAN}])){_PLACE_END}")
_PLACE_PART = re.compile(rf"(?:\d+|[A-Z])(?:期|区|组|队|村)[{_HAN}]*?{_PLACE_END}")
_NO_PLACE = re.compile(rf"第?{_SIGN}?\d*{_SIGN}?(?:{_BUILDING_WORD}|单元|[户室])")
_BESIDE = re.compile("(?:对面|附近|旁边?|隔壁|门口|路口|交叉口|交汇处|[东西南北]侧|以[东西南北])$")
_UNIT = re.compile(rf"第?(?P<unit>\d+|{_SIGN})(?:单元|门(?!面|市|诊))")
_FLOOR = re.compile(r"第?(?P<floor>(?:地下|负|-|B)?\d+)(?:层|楼|F(?!\d))")
_ROOM = re.compile(
    r"(?P<room>[A-Z]?\d{1,5}[A-Z]?|[东西南北中]{1,2}(?=[户室]))(?:室|号房|房间|房|户|号)?$"
)

_UNIT_AND_ROOM = re.compile(r"-?([A-Z]?\d+)-(\d+)(?:-(\d+))?(?:室|号|房|户)?")

_WORDS_OF_NUMERALS = re.compile(
    rf"(?<=之)[{_NUMERALS}]+|[{_NUMERALS}]+(?=号(?![路街线桥])|栋|幢|座|#|单元|弄|层|楼|室|期|组|门(?!路|街|诊)|附)"
)
_DIGIT = {sign: number for number, sign in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_DASHES = re.compile(r"[‐‑‒–—―−﹣~～_]")
_NOISE = re.compile(rf"[^{_HAN}\dA-Z#·\-]+")


def numeral_value(numeral: str) -> int:
    """Return the value of a Chinese numeral below a thousand, or of a row of digits.

    >>> numeral_value("二十三"), numeral_value("一百零二"), numeral_value("三〇二")
    (23, 102, 302)
    """
    if not set(numeral) & set("十百"):
        return int("".join(str(_DIGIT[sign]) for sign in numeral))
    total = digit = 0
    for sign in numeral:
        if sign in "十百":
            total += (digit or 1) * {"十": 10, "百": 100}[sign]
            digit = 0
        else:
            digit = _DIGIT[sign]
    return total + digit


def normalise_address(text: str) -> str:
    """Return an address in half width and capitals, with digits for numerals, without punctuation.

    >>> normalise_address("中原路８１号 四号楼（2单元）")
    '中原路81号4号楼2单元'
    """
    plain = _DASHES.sub("-", unicodedata.normalize("NFKC", text)).upper()
    plain = plain.replace("號", "号").replace("棟", "栋").replace("№", "").replace("NO.", "")
    plain = _NOISE.sub("", plain)
    return _WORDS_OF_NUMERALS.sub(lambda match: str(numeral_value(match.group())), plain)


@lru_cache(maxsize=65_536)
def parse_address(text: str) -> Address:
    """Return the parts of an address.

    >>> parse_address("湖北省襄阳市中原路81号4号楼2单元302室").building
    '4'
    """
    if len(text) > MAX_LENGTH:
        return Address(rest=text)
    plain = normalise_address(text)
    regions, rest = _split_regions(plain)
    address = _parse_below_regions(rest)
    last = regions[-1] if regions else ""
    if last and not (address.road or address.place) and last.endswith(("社区", "村")):
        address = _parse_below_regions(last + rest)  # 幸福社区12栋: the community is the place
        regions = regions[:-1]
    return replace(address, regions=tuple(regions))


def _split_regions(text: str) -> tuple[list[str], str]:
    """Return the divisions at the start of an address, and what follows them."""
    regions: list[str] = []

    def take(pattern: re.Pattern[str]) -> bool:
        nonlocal text
        match = pattern.match(text)
        if match is None or match.end() == len(text):
            return False
        regions.append(match.group())
        text = text[match.end() :]
        return True

    text = text.removeprefix("中国")
    take(_PROVINCE)
    is_in_city = take(_CITY)
    if is_in_city:
        take(_CITY)  # a county-level city
    match = _DISTRICT.match(text)
    if match and (not _NO_DISTRICT.search(match.group()) or (is_in_city and match.end() <= 3)):
        take(_DISTRICT)
    is_below = bool(regions)
    if not take(_STREET_OFFICE) and (is_below or _TOWN_BEFORE_ROAD.match(text)):
        take(_TOWN)
    if not take(_COMMUNITY) and regions:
        match = _VILLAGE.match(text)
        if match and _ROAD.match(text[match.end() :]):
            take(_VILLAGE)
    return regions, text


_TOWN_BEFORE_ROAD = re.compile(rf"[{_HAN}]{{1,5}}?(?<![小古水])[镇乡][{_HAN}]{{1,6}}?[路街村]")


@dataclass
class _Reader:
    """The unread rest of an address, and the parts read so far."""

    rest: str
    parts: dict[str, str] = field(default_factory=dict)

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Match at the start of the rest, and step over the match."""
        match = pattern.match(self.rest)
        if match:
            self.rest = self.rest[match.end() :]
        return match


def _parse_below_regions(text: str) -> Address:
    reader = _Reader(text)
    if match := reader.match(_ROAD):
        reader.parts["road"] = match["road"]
        _read_gate_number(reader)
    if not _read_hyphens(reader):
        _read_place(reader)
        if not _read_hyphens(reader):
            _read_building(reader)
            _read_dwelling(reader)
    part = defaultdict(str, reader.parts)
    return Address(
        road=part["road"],
        number=part["number"],
        place=part["place"],
        building=part["building"],
        unit=part["unit"],
        floor=part["floor"],
        room=part["room"],
        rest=reader.rest,
    )


def _read_gate_number(reader: _Reader) -> None:
    """Read the number on a road: 81号, 81号附1号, 甲81号, 100弄, or 81 at the end."""
    if match := reader.match(_LANE):
        reader.parts["number"] = f"{int(match['number'])}弄"
        return
    whole = reader.rest
    leading = reader.match(_LEADING_ANNEX)
    number = _match_gate_number(reader)
    if leading and (not number or "附" in number):
        reader.rest = whole
        return
    if leading:
        number += f"附{int(leading['annex'])}"
    if number:
        reader.parts["number"] = number


def _match_gate_number(reader: _Reader) -> str:
    """Return the number of a gate with its suffixes, empty for none."""
    if match := reader.match(_BARE_ANNEX):
        return f"{int(match['first'])}附{int(match['annex'])}"
    if match := reader.match(_NUMBER):
        number = str(int(match["first"])) + (match["tail"] or "") + (match["late"] or "")
        number = number.replace("之", "-") + match["stem"]
        return number + (f"附{int(match['annex'])}" if match["annex"] else "")
    if match := reader.match(_BARE_NUMBER):
        return match["number"].lstrip("0") or "0"
    return ""


def _read_place(reader: _Reader) -> None:
    """Read the name up to the number of the building, and the number of a gate behind it."""
    match = _PLACE.match(reader.rest)
    if match is None or _NO_PLACE.match(reader.rest) or _BESIDE.search(match["place"]):
        return
    place, rest = match["place"], reader.rest[match.end() :]
    # 锦绣小区2期4栋, 李家村4组12号: a number inside the name
    while more := _PLACE_PART.match(rest):
        place, rest = place + more.group(), rest[more.end() :]
    reader.parts["place"], reader.rest = place, rest
    if "number" not in reader.parts and re.match(rf"\d+号(?:院)?{_SIGN}?\d+{_BUILDING_WORD}", rest):
        _read_gate_number(reader)


def _read_building(reader: _Reader) -> None:
    match = reader.match(_BUILDING)
    if match is None and ("number" in reader.parts or "place" in reader.parts):
        match = reader.match(_PLACE_NUMBER)  # 锦绣小区4号, 100弄4号
    if match:
        reader.parts["building"] = _plain_number(match["building"])


def _read_dwelling(reader: _Reader) -> None:
    """Read unit, floor and room, in the words or with hyphens."""
    if match := reader.match(_UNIT):
        reader.parts["unit"] = _plain_number(match["unit"])
    if not reader.parts.keys() & {"building", "unit", "number"}:
        return
    match = _FLOOR.match(reader.rest)
    # 81号2楼 may be a building; 81号2楼201 and 4栋2楼 are a floor.
    if match and (
        reader.parts.keys() & {"building", "unit"}
        or reader.rest[match.end() :].startswith(match["floor"])
    ):
        reader.parts["floor"], reader.rest = match["floor"], reader.rest[match.end() :]
    if match := _UNIT_AND_ROOM.fullmatch(reader.rest):
        if "unit" in reader.parts:
            reader.parts["room"] = "-".join(filter(None, match.groups()))
        else:
            *inner, room = [part for part in match.groups() if part]
            names = ("unit", "floor")
            reader.parts |= dict(zip(names, map(_plain_number, inner), strict=False))
            reader.parts["room"] = room
        reader.rest = ""
    else:
        bare = _Reader(reader.rest.removeprefix("-"))
        if match := bare.match(_ROOM):
            reader.parts["room"], reader.rest = match["room"], bare.rest


def _read_hyphens(reader: _Reader) -> bool:
    """Read 4-2-302 (building, unit, room), 4-302 (building, room), behind a road 81-4-2-302."""
    rest = reader.rest.removeprefix("-") if reader.parts.get("number") else reader.rest
    match = _HYPHENS.fullmatch(rest)
    if match is None or not reader.parts:
        return False
    *inner, room = match["parts"].split("-")
    parts = [_plain_number(part) for part in inner]
    if "number" not in reader.parts and "place" not in reader.parts:
        if len(parts) != 3:
            return True  # 中原路81-4-302: the 4 belongs to the number, or is the building
        reader.parts["number"] = parts.pop(0)
    if len(parts) == 1 and ("place" not in reader.parts or len(room) < 3):
        return True  # 81号4-302: the 4 is a building or a unit; 4-2: a unit or a room
    reader.rest = ""
    reader.parts |= dict(zip(("building", "unit", "floor"), parts, strict=False))
    reader.parts["room"] = room
    return True


def _plain_number(number: str) -> str:
    return re.sub(r"^([^\d]*)0+(?=\d)", r"\1", number)
