"""What is told to other systems: written with what it tells of, delivered later, in order.

A row operation that changes something calls :func:`put`; both are durable, or neither. The API
process that leads delivers, by :mod:`gateway.outbox.sending`. A crash in between delivers again:
the receiver knows it by its id. ``docs/decisions/030-outbox.md`` says why.
"""

from gateway.outbox.putting import is_wanted, put

__all__ = ["is_wanted", "put"]
