"""The reference county, as the sheets that somebody would import.

One county centre, 23 townships and 561 villages: 585 areas (and with ``cells`` their 2,752 grid
cells); 35 departments, police stations whose jurisdictions cross townships, 5 source platforms;
8,757 cameras, 3,757 of them in the villages and 5,000 of other platforms. Always the same: names
and numbers come from a seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

COUNTY_CODE = "420881000000"
TOWNSHIPS = 23
VILLAGES = 561
CELLS = 2_752
DEPARTMENTS = 35
POLICE_STATIONS = 19
VILLAGE_CAMERAS = 3_757
PLATFORM_CAMERAS = 5_000
CAMERAS = VILLAGE_CAMERAS + PLATFORM_CAMERAS
AREAS = 1 + TOWNSHIPS + VILLAGES

_SEED = 20261122
_FIRST = "石胡旧柴长丰文冷洋磷张九双客官盘大永东西南北中上下新古黄白青红金银龙凤山河湖江"
_SECOND = "牌集口湖寿乐滩水港矿家里坪店庄石桥沟湾坡岭峰泉井塘堰坝埠渡畈岗垭冲"
_SPOTS = ("村口", "桥头", "广场", "卫生室", "小学门口", "十字路口", "停车场", "村委会", "水塘边")
_PLATFORMS = (
    ("VILLAGE", "雪亮工程"),
    ("CITY", "数字城管"),
    ("SAFE", "平安城市"),
    ("TRAFFIC", "交通卡口"),
    ("RESIDENCE", "小区接入"),
)


def area_rows(*, cells: bool = False) -> Iterator[list[str]]:
    """Every area on its axis, heading first."""
    chance = random.Random(_SEED)
    names = _names(chance)
    yield ["体系", "编码", "名称", "上级编码", "顺序"]
    yield ["区划", COUNTY_CODE, "钟祥市", "", "0"]
    for number in range(TOWNSHIPS):
        yield ["区划", township_code(number), f"{next(names)}镇", COUNTY_CODE, str(number)]
    for number in range(VILLAGES):
        township = township_code(number % TOWNSHIPS)
        yield ["区划", village_code(number), f"{next(names)}村", township, str(number)]
    for number in range(CELLS if cells else 0):
        village = village_code(number % VILLAGES)
        code = f"{village}{number // VILLAGES + 1:03d}"
        yield ["区划", code, f"第{number // VILLAGES + 1}网格", village, str(number)]
    for number in range(DEPARTMENTS):
        yield ["部门", f"BM-{number + 1:02d}", f"{next(names)}局", "", str(number)]
    yield ["警务", "PCS-00", "市公安局", "", "0"]
    for number in range(POLICE_STATIONS):
        yield ["警务", f"PCS-{number + 1:02d}", f"{next(names)}派出所", "PCS-00", str(number)]
    for number, (code, name) in enumerate(_PLATFORMS):
        yield ["平台", code, name, "", str(number)]


def camera_rows() -> Iterator[list[str]]:
    """Every camera in its village or township, its jurisdiction, its platform; heading first.

    They are switched off: nobody shall call on addresses that are made up.
    """
    chance = random.Random(_SEED)
    yield [
        "编号", "名称", "区域编码", "部门", "警务", "平台",
        "主码流", "子码流", "用户名", "密码", "启用",
    ]  # fmt: skip
    for number in range(CAMERAS):
        village = number % VILLAGES
        from_village = number < VILLAGE_CAMERAS
        host = f"10.20.{number // 250}.{number % 250 + 1}"
        yield [
            f"420881{number:014d}",
            f"{chance.choice(_SPOTS)}{number + 1}",
            village_code(village) if from_village else township_code(number % TOWNSHIPS),
            "" if from_village else f"BM-{number % DEPARTMENTS + 1:02d}",
            # Not along the townships: a jurisdiction crosses them.
            f"PCS-{village // 30 % POLICE_STATIONS + 1:02d}",
            "VILLAGE" if from_village else _PLATFORMS[1 + number % 4][0],
            f"rtsp://{host}/Streaming/Channels/101",
            f"rtsp://{host}/Streaming/Channels/102",
            "viewer",
            f"pass-{number}",
            "否",
        ]


def township_code(number: int) -> str:
    """The code of a township, from 0."""
    return f"420881{100 + number:03d}000"


def village_code(number: int) -> str:
    """The code of a village, from 0."""
    return f"420881{100 + number % TOWNSHIPS:03d}{200 + number // TOWNSHIPS:03d}"


def _names(chance: random.Random) -> Iterator[str]:
    pairs = [first + second for first in _FIRST for second in _SECOND]
    chance.shuffle(pairs)
    return iter(pairs)
