"""Texts that say where a person lives, without words that may name somebody.

The column of the address or the room of a file of persons may hold the name of a landlord or a
relative. Only what is understood as a part of an address goes on; other words become
:data:`WITHHELD`, which names no building and no room, so that such a row is never linked by guess.
"""

import re

from geo.addresses import normalise_address, parse_address

WITHHELD = "某"
"""Stands for the words that were left out."""

_WORDS = (
    "单元|号楼|号院|大院|楼上|楼下|楼梯|阁楼|楼|栋|幢|座|层|室|户|号|房间|房|门面|门市|门|商铺|铺|"
    "车库|车位|仓库|地下|储藏间|储藏室|间|负|顶|附|弄|组|期|区|第|之|院|东|西|南|北|中|左|右|上|下|"
    "前|后|内|外|侧|边|旁|对面|附近|路口|交叉口|甲|乙|丙|丁|戊|己|庚|辛|"
    "零|〇|一|二|三|四|五|六|七|八|九|十|百|两"
)
_KNOWN_OR_OTHER = re.compile(rf"((?:{_WORDS}|[\dA-Z#·\-])+)|.")
_LATIN_WORDS = re.compile(r"[A-Z]{3,}")
_PERSONAL_PLACE = re.compile("户主|房东|租客|租户|出租|住处|家中|家里|先生|女士|某|[家宅]$")


def withhold_words(text: str) -> str:
    """Return a text in which every word that is none of an address is replaced.

    >>> withhold_words("302户主王小"), withhold_words("2单元302东户")
    ('302户某', '2单元302东户')
    """
    plain = _LATIN_WORDS.sub(WITHHELD, normalise_address(text))
    marked = _KNOWN_OR_OTHER.sub(lambda found: found[1] or WITHHELD, plain)
    return re.sub(f"{WITHHELD}+", WITHHELD, marked)


def withhold_rest(text: str) -> str:
    """Return an address with its parts as given, and what was not understood withheld.

    >>> withhold_rest("中原路81号4号楼1单元302户主王小")
    '中原路81号4号楼1单元302户某'
    """
    address = parse_address(text)
    plain = normalise_address(text)
    if not plain.endswith(address.rest):  # too long to be parsed
        return WITHHELD
    known = plain.removesuffix(address.rest)
    if _PERSONAL_PLACE.search(address.place):
        known = known.replace(address.place, WITHHELD)
    return known + withhold_words(address.rest)
