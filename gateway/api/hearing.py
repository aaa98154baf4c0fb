"""What this API process does with the news of another; see :mod:`gateway.api.neighbours`."""

from __future__ import annotations

from typing import Any

from gateway.api.services import Services
from gateway.api.viewing import tell_revoked


def hear(services: Services, kind: str, what: dict[str, Any]) -> None:
    """Tell those who listen here. Of a kind that is not known, of a newer version, nobody is told:
    it can be read from rows, too.
    """
    match kind:
        case "alarms":
            services.alarm_watch.hear(what["ids"])
        case "revoked":
            tell_revoked(services, what["user_id"], what["session_ids"])
        case "rights":
            services.rights_changed.hear()
        case "site_check":
            services.site_checks.tell(frozenset(what["paths"]))
