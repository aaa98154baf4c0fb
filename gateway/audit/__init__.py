"""The register of who looked at what: appended, chained, signed, and checked.

Each record's hash covers its content and the hash of the record before it, so that an edited or a
missing record breaks the chain. A cut tail would break nothing; therefore the head of the chain is
signed (Ed25519) and kept outside the database, by :mod:`gateway.audit.checkpoints`.
:mod:`gateway.audit.verify` compares both and names what is wrong.
"""

from gateway.audit.records import AuditRecord, ReasonGiven, act, append, append_rows

__all__ = ["AuditRecord", "ReasonGiven", "act", "append", "append_rows"]
