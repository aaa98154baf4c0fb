"""Who imports or exports, and so where: every line of a sheet is held against this."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.people.authorize import AreaPlace, Grant, Principal
from gateway.people.granting import highest_priority, missing_rights, priority_of, rights_beyond
from gateway.people.roles import Right

EVERYWHERE = ("",)


@dataclass(frozen=True, slots=True)
class Scope:
    """Topmost area paths in which something may be done; ("",) is everywhere.

    Without a principal it is the command line: who has the machine has no limits.
    """

    configure: tuple[str, ...] = EVERYWHERE
    visible: tuple[str, ...] = EVERYWHERE
    manage: tuple[str, ...] = EVERYWHERE
    principal: Principal | None = None
    now_us: int = 0

    @classmethod
    def of(cls, principal: Principal, now_us: int) -> Scope:
        """What the principal's rights of this moment reach."""

        def where(right: Right | None) -> tuple[str, ...]:
            return tuple(principal.areas_with(right, now_us))

        return cls(where(Right.CONFIGURE), where(None), where(Right.USERS), principal, now_us)

    def may_configure(self, *paths: str) -> bool:
        """Whether what stands in one of these areas is theirs to configure."""
        return any(path.startswith(self.configure) for path in paths)

    def sees(self, *paths: str) -> bool:
        """Whether they may know of what stands in one of these areas."""
        return any(path.startswith(self.visible) for path in paths)

    def stands_above(self, path: str) -> bool:
        """Whether that area is among those above what they see: its name they know."""
        return any(one.startswith(path) for one in self.visible)

    def may_manage(self, home: str) -> bool:
        """Whether accounts whose home that is are theirs to manage."""
        return home.startswith(self.manage)

    def may_manage_holder(self, held: Iterable[Grant], user_id: str) -> bool:
        """Whether they hold all that the account of ``user_id`` does."""
        if self.principal is None or self.principal.user_id == user_id:
            return True
        return not rights_beyond(self.principal, held, self.now_us)

    def may_give(self, grant: Grant) -> bool:
        """Whether the grant carries no more than they hold there."""
        if self.principal is None:
            return True
        place = AreaPlace(grant.area_path)
        return (
            Right.GRANT in self.principal.rights_at(place, self.now_us)
            and not missing_rights(self.principal, grant, self.now_us)
            and priority_of(grant) <= highest_priority(self.principal, grant.area_path, self.now_us)
        )

    def may_withdraw(self, grant: Grant) -> bool:
        """Whether the grant is theirs to take away."""
        if self.principal is None:
            return True
        place = AreaPlace(grant.area_path)
        return Right.GRANT in self.principal.rights_at(place, self.now_us) and not rights_beyond(
            self.principal, [grant], self.now_us
        )
