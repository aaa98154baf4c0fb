"""Pictures and vectors, sealed for the database: whoever copies it has neither."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from gateway.secrets import seal, unseal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def seal_bytes(secret: bytes, data: bytes, context: str) -> str:
    """Bound to ``context``: see :func:`gateway.secrets.seal`."""
    return seal(secret, base64.b64encode(data).decode(), context)


def unseal_bytes(secret: bytes, sealed: str, context: str) -> bytes:
    """The inverse. Raises :class:`gateway.secrets.SealError`."""
    return base64.b64decode(unseal(secret, sealed, context))


def seal_vectors(secret: bytes, vectors: NDArray[np.float32], context: str) -> str:
    """float32 [N, size]; N and size are known by who reads them."""
    return seal_bytes(secret, vectors.astype("<f4").tobytes(), context)


def unseal_vectors(secret: bytes, sealed: str, context: str, count: int) -> NDArray[np.float32]:
    """``count`` vectors, float32 [count, size]. Raises :class:`gateway.secrets.SealError`."""
    import numpy

    data = numpy.frombuffer(unseal_bytes(secret, sealed, context), "<f4").astype(numpy.float32)
    return data.reshape(count, -1) if count else data.reshape(0, 0)


def seal_vector(secret: bytes, vector: NDArray[np.float32], request_id: str) -> str:
    """What a standing search looks for."""
    return seal_vectors(secret, vector[None, :], f"standing:{request_id}")


def unseal_vector(secret: bytes, sealed: str, request_id: str) -> NDArray[np.float32]:
    """The inverse."""
    vector: NDArray[np.float32] = unseal_vectors(secret, sealed, f"standing:{request_id}", 1)[0]
    return vector
