"""Chinese names for the sample city: data, not texts of the program."""

import numpy as np

from geo.model.register import EntityKind

Random = np.random.Generator

_FIRST = (
    "锦绣 金色 阳光 世纪 东方 紫薇 檀溪 汉江 米公 长虹 丽江 泰安 "
    "民发 天润 绿地 万达 诸葛 隆中 岘山 凤雏"
).split(" ")
_SECOND = "花园 家园 华庭 名苑 雅居 新村 小区 豪庭 丽都 水岸 公馆 佳园".split(" ")
_VILLAGE = "陈家 王家 张湾 李家 施营 乔营 贾洼 七里 洪沟 松鹤".split(" ")
_STREET = (
    "人民 长征 建设 春园 丹江 大庆 解放 中原 友谊 前进 光彩 新华 炮铺 清河 长虹 "
    "汉江 米公 定中 立业 大庆东 红光 建昌 幸福 车城 航空 七里河 邓城 追日 汽车 振华"
).split(" ")
_FAMILY = "王 李 张 刘 陈 杨 黄 赵 周 吴 徐 孙 马 朱 胡 郭 何 高 林 罗".split(" ")
_GIVEN = (
    "秀兰 建国 丽华 志强 桂英 海燕 明辉 玉梅 文静 春生 晓东 红霞 国庆 雪梅 俊杰 淑珍 立新 婷 磊 敏"
).split(" ")
_OWNER = "鑫源 宏达 顺发 惠民 佳和 康泰 兴旺 祥瑞 百顺 德信 汇丰 同庆".split(" ")
# Name, section and division of GB/T 4754.
_SHOP_TRADES = (
    ("便利店", "F", 52),
    ("超市", "F", 52),
    ("五金店", "F", 52),
    ("药房", "F", 52),
    ("水果店", "F", 52),
    ("面馆", "H", 62),
    ("小吃店", "H", 62),
    ("快餐店", "H", 62),
    ("理发店", "O", 80),
    ("洗衣店", "O", 80),
    ("修车行", "O", 81),
    ("旅馆", "H", 61),
)
_FIRM_TRADES = (
    ("商贸有限公司", "F", 51),
    ("科技有限公司", "I", 65),
    ("物业服务有限公司", "K", 70),
    ("装饰工程有限公司", "E", 50),
    ("人力资源有限公司", "L", 72),
    ("检测有限公司", "M", 74),
    ("货运有限公司", "G", 54),
    ("餐饮管理有限公司", "H", 62),
)
_WORKS_TRADES = (("机械有限公司", "C", 34), ("纺织有限公司", "C", 17), ("仓储有限公司", "G", 59))
_INSTITUTIONS = {"education": ("教学部", "P", 83), "medical": ("门诊部", "Q", 84)}


def _choose(words: list[str], random: Random) -> str:
    return words[int(random.integers(len(words)))]


def compound(random: Random) -> str:
    """Return the name of a residential quarter."""
    return _choose(_FIRST, random) + _choose(_SECOND, random)


def village(random: Random) -> str:
    """Return the name of an urban village."""
    return _choose(_VILLAGE, random) + "村"


def school(random: Random) -> str:
    """Return the name of a school."""
    return f"襄阳市{_choose(_STREET, random)}路{_choose(['小学', '中学'], random)}"


def hospital(random: Random) -> str:
    """Return the name of a hospital."""
    return f"襄阳市{_choose(['第一', '第二', '中医', '中心'], random)}医院"


def market(random: Random) -> str:
    """Return the name of a market."""
    return f"{_choose(_STREET, random)}农贸市场"


def park(random: Random) -> str:
    """Return the name of a park."""
    return f"{_choose(_FIRST, random)}公园"


def works(random: Random) -> str:
    """Return the name of a works."""
    return f"襄阳{_choose(['轴承', '棉纺织', '内燃机', '化纤', '水泵'], random)}厂"


def street(number: int, along: bool) -> str:
    """Return the name of the street on a line of the lattice: 路 west to east, 街 across."""
    word = _STREET[(number * 7 + (0 if along else 11)) % len(_STREET)]
    again = abs(number * 7) // len(_STREET)
    ordinal = "" if again == 0 else "一二三四五六七八九十"[(again - 1) % 10]
    return f"{word}{ordinal}{'路' if along else '街'}"


def person(random: Random) -> str:
    """Return the name of a person."""
    return _choose(_FAMILY, random) + _choose(_GIVEN, random)


def trade(kind: EntityKind, use: str, random: Random) -> tuple[str, str, int]:
    """Return the name of an organisation in a building of a use, and its industry.

    Returns
    -------
    name, section, division
        Section and division are those of GB/T 4754.
    """
    if kind is EntityKind.INSTITUTION:
        branch, section, division = _INSTITUTIONS[use]
    elif kind is EntityKind.INDIVIDUAL:
        branch, section, division = _SHOP_TRADES[int(random.integers(len(_SHOP_TRADES)))]
    else:
        trades = _WORKS_TRADES if use in ("industrial", "warehouse") else _FIRM_TRADES
        branch, section, division = trades[int(random.integers(len(trades)))]
    town = "襄阳" if kind is EntityKind.ENTERPRISE else ""
    return f"{town}{_choose(_FIRST, random)}{_choose(_OWNER, random)}{branch}", section, division
