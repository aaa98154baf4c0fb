"""What models call the things they find, and what we call them.

Data sets name the same things differently (COCO, Objects365, VisDrone, BDD, UA-DETRAC), and models
trained in China often in Chinese. What is not listed here is not looked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from search.detectors.interface import ModelRefused
from search.objects import CLASS_NUMBERS, OBJECT_CLASSES, ObjectClass

COCO: tuple[str, ...] = tuple(
    """person|bicycle|car|motorcycle|airplane|bus|train|truck|boat|traffic light|fire hydrant
stop sign|parking meter|bench|bird|cat|dog|horse|sheep|cow|elephant|bear|zebra|giraffe|backpack
umbrella|handbag|tie|suitcase|frisbee|skis|snowboard|sports ball|kite|baseball bat|baseball glove
skateboard|surfboard|tennis racket|bottle|wine glass|cup|fork|knife|spoon|bowl|banana|apple
sandwich|orange|broccoli|carrot|hot dog|pizza|donut|cake|chair|couch|potted plant|bed|dining table
toilet|tv|laptop|mouse|remote|keyboard|cell phone|microwave|oven|toaster|sink|refrigerator|book
clock|vase|scissors|teddy bear|hair drier|toothbrush""".replace("\n", "|").split("|")
)
"""The 80 names of COCO, in the order in which detectors number them."""

NO_CLASS = 255
"""In a column of :func:`numbers_of`: not looked for."""

_NAMES: dict[ObjectClass, str] = {
    ObjectClass.PERSON: "person people pedestrian human man woman boy girl child rider cyclist "
    "人 行人 人员 人体 人形",
    ObjectClass.BICYCLE: "bicycle bike pedalcycle 自行车 单车 共享单车",
    ObjectClass.MOTORCYCLE: "motorcycle motorbike motor motorscooter moped ebike electricbike "
    "electricbicycle electricscooter electricmotorcycle "
    "摩托车 电动车 电瓶车 电动自行车 两轮车 二轮车",
    ObjectClass.CAR: "car sedan suv taxi automobile passengercar policecar "
    "汽车 轿车 小汽车 小轿车 小车 小客车 出租车 警车 越野车",
    ObjectClass.TRUCK: "truck lorry heavytruck pickup pickuptruck lighttruck "
    "dumptruck firetruck tanktruck 卡车 货车 大货车 小货车 皮卡 皮卡车 渣土车 消防车",
    ObjectClass.BUS: "bus coach minibus schoolbus 公交车 公共汽车 客车 大客车 大巴 大巴车 校车 "
    "中巴 中巴车",
    ObjectClass.VAN: "van minivan microvan 面包车 微型面包车 厢式车 商务车",
    ObjectClass.TRICYCLE: "tricycle trike awningtricycle threewheeler electrictricycle "
    "motortricycle rickshaw autorickshaw tuktuk 三轮车 电动三轮车 机动三轮车 带篷三轮车",
    ObjectClass.FARM_VEHICLE: "farmvehicle agriculturalvehicle agriculturalmachinery farmmachinery "
    "tractor harvester combineharvester 农用车 农机 农用机械 拖拉机 收割机 手扶拖拉机 四轮农用车",
}
_CLASSES: Mapping[str, ObjectClass] = MappingProxyType(
    {name: one for one, names in _NAMES.items() for name in names.split()}
)


def class_of(name: str) -> ObjectClass | None:
    """What a model's name for a class means here; None for what is not looked for.

    Case, spaces, hyphens and underscores do not matter.
    """
    return _CLASSES.get("".join(part for part in name.casefold() if part.isalnum()))


def numbers_of(names: Sequence[str]) -> NDArray[np.uint8]:
    """For each of a model's classes our number of it (CLASS_NUMBERS), or NO_CLASS."""
    found = (class_of(name) for name in names)
    return np.array([NO_CLASS if one is None else CLASS_NUMBERS[one] for one in found], np.uint8)


def known_classes(names: Sequence[str], model: Path) -> frozenset[ObjectClass]:
    """What a model of these class names finds; raises ModelRefused if that is nothing of use."""
    known = frozenset(one for one in map(class_of, names) if one is not None)
    if not known:
        some = ", ".join(name[:30] for name in names[:8])
        raise ModelRefused(
            f"{model}: finds {some}{', …' if len(names) > 8 else ''}, and none of what is looked "
            f"for here ({', '.join(OBJECT_CLASSES)}); if it calls them otherwise, write names, one "
            f"a line, into {model.name}.names beside it"
        )
    return known


def may_also_be(known: frozenset[ObjectClass]) -> dict[ObjectClass, tuple[ObjectClass, ...]]:
    """For each class that a model finds, what the object may be besides, by what it cannot tell.

    To a model that knows no van, a van is a car or a truck: its cars may be trucks and vans. A
    three-wheeler is taken for a motorcycle, a truck or a car, a farm vehicle for a truck. Empty
    for a model that tells them all apart.
    """
    possible: dict[ObjectClass, list[ObjectClass]] = {one: [] for one in ObjectClass}
    if ObjectClass.VAN not in known:
        possible[ObjectClass.CAR] += [ObjectClass.TRUCK, ObjectClass.VAN]
        possible[ObjectClass.TRUCK] += [ObjectClass.CAR, ObjectClass.VAN]
    if ObjectClass.TRICYCLE not in known:
        for taken_for in (ObjectClass.MOTORCYCLE, ObjectClass.CAR, ObjectClass.TRUCK):
            possible[taken_for].append(ObjectClass.TRICYCLE)
    if ObjectClass.FARM_VEHICLE not in known:
        possible[ObjectClass.TRUCK].append(ObjectClass.FARM_VEHICLE)
    return {one: tuple(others) for one, others in possible.items() if one in known and others}
