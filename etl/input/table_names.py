"""Names by which the header and the sheet of a layer are found in a table."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from etl.input import synonyms
from etl.input.tabular import BOTH_NAMES, LATITUDE_NAMES, LONGITUDE_NAMES, WKT_NAMES

_SHEET_WORDS = {
    "region": "region 区划 社区 村 网格",
    "community": "community 社区 村",
    "compound": "compound 小区",
    "building": "building 楼栋 建筑 房屋 楼宇 幢",
    "building_unit": "unit 单元",
    "facility": "facility 设施 单位 场所",
    "road": "road 道路",
    "railway": "railway 铁路",
    "water": "water 水系 河流",
    "pipe_node": "node 管点 点表 点",
    "hydrant": "hydrant 消火栓 消防栓 管点",
    "pipe_segment": "segment 管线 管段 线表 线",
    "register": "register 台账 登记 户",
    "dwelling": "dwelling 户室 房屋 住户 户",
    "entity": "entity 单位 企业 法人 商户",
    "building_fire": "building_fire 采集 重点单位 消防卡片 预案",
    "resident": "resident 居民 人口 人员",
}
"""Words for each layer in the names of sheets and file layers."""


@dataclass(frozen=True)
class TableNames:
    """Names by which the parts of a table are found.

    Attributes
    ----------
    headers
        Normalized names that columns can have.
    sheet_words
        Words for the layer in the names of sheets, in order of their weight.
    """

    headers: frozenset[str]
    sheet_words: tuple[str, ...] = ()


@cache
def table_names(layer: str = "", more: Iterable[str] = ()) -> TableNames:
    """Return the names by which a layer is found.

    Parameters
    ----------
    layer
        A layer or its alias; all layers if empty.
    more
        Names of columns beside those that are known, such as those of a mapping.
    """
    table = {"community": "region", "hydrant": "pipe_node"}.get(layer, layer)
    columns = [synonyms.COLUMNS[table]] if table in synonyms.COLUMNS else synonyms.COLUMNS.values()
    words = [word for known in columns for text in known.values() for word in text.split()]
    column_names = [column for known in columns for column in known]
    places = (*LONGITUDE_NAMES, *LATITUDE_NAMES, *WKT_NAMES, *BOTH_NAMES)
    items = synonyms.value_translations("item", layer) if layer == "building_fire" else ()
    names = (*words, *column_names, *places, *items, *more)
    headers = frozenset(map(synonyms.normalize_name, names))
    return TableNames(headers, tuple(_SHEET_WORDS.get(layer, "").split()))


def layers_of_sheets(sheets: Iterable[str], layers: Iterable[str]) -> dict[str, str]:
    """Return the only sheet that has the name of a layer or a word for it, by layer."""
    names = list(sheets)
    sheet_of_layer: dict[str, str] = {}
    for layer in layers:
        for word in (layer, *_SHEET_WORDS.get(layer, "").split()):
            matching = [
                name
                for name in names
                if word in synonyms.normalize_name(name) and name not in sheet_of_layer.values()
            ]
            if len(matching) == 1:
                sheet_of_layer[layer] = matching[0]
                break
    return sheet_of_layer
