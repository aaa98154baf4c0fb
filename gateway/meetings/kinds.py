"""Kinds of participants, and what follows from each; the one place that lists them."""

from __future__ import annotations

RUNG = ("site", "person", "sip")
"""Who can be called: they hear it ring."""
BROUGHT = ("camera", "recording", "whip")
"""Nobody could press a button for these: they wait in no lobby, and are there when brought."""
UNATTENDED = ("camera", "recording")
"""Nobody sits behind these: they alone hold no meeting. Behind a codec stands a hall."""
POLLED = ("site", "camera", "sip", "whip")
"""Whose picture is shown in turn when sites are polled."""
WITHOUT_PAGE = ("sip", "whip")
"""Who has a screen and no page to choose by: it shows somebody as long as anybody is there."""
LEADING = ("chair", "co_chair")
"""The roles of who leads."""
BY_LINK = "link"
"""Who invited those who came by the link's code: nobody who would answer for them."""
