"""What is said in writing, as everybody is shown it: by the API, and by the room as it is said."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa


def message_document(row: sa.Row[Any]) -> dict[str, Any]:
    """A row of ``meeting_messages``. Of one that was taken away the text is empty."""
    return {
        "id": row.id,
        "participant_id": row.participant_id,
        "name": row.author,
        "to_participant_id": row.to_participant_id,
        "text": "" if row.removed_us is not None else row.text,
        "at_us": row.at_us,
        "removed": row.removed_us is not None,
    }
