"""For which sites somebody may sit down in a meeting."""

from __future__ import annotations

from gateway.identifiers import now_us
from gateway.people.authorize import Principal
from gateway.people.roles import ROLE_RIGHTS, Right


def sites_of(principal: Principal) -> list[str]:
    """The paths of areas in which the principal holds a grant, in that very area, that carries the
    right to meet: who watches a whole county is not each of its villages.
    """
    at_us = now_us()
    if Right.MEET not in principal.all_rights(at_us):
        return []
    return sorted(
        {
            one.area_path
            for one in principal.grants
            if one.area_path and one.in_force(at_us) and Right.MEET in ROLE_RIGHTS[one.role]
        }
    )
