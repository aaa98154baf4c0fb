"""What an S3 server, or the way to it, said: as a code of the store's, and what to do."""

from __future__ import annotations

import urllib3
from minio.error import InvalidResponseError, S3Error, ServerError

from recorder.stores import StoreError, StoreErrorCode

_CODES: dict[str, StoreErrorCode] = {
    "AccessDenied": "denied",
    "InvalidAccessKeyId": "denied",
    "SignatureDoesNotMatch": "denied",
    "RequestTimeTooSkewed": "denied",
    "AllAccessDisabled": "denied",
    "NoSuchBucket": "no_bucket",
    "NoSuchKey": "not_found",
    "NoSuchUpload": "no_upload",
    "QuotaExceeded": "full",
    "XMinioStorageFull": "full",
    "InsufficientStorage": "full",
    "SlowDown": "slow_down",
    "SlowDownRead": "slow_down",
    "SlowDownWrite": "slow_down",
    "ServiceUnavailable": "slow_down",
    "TooManyRequests": "slow_down",
    "RequestTimeout": "timeout",
    "NotImplemented": "unsupported",
    "MethodNotAllowed": "unsupported",
}
_STATUSES: dict[int, StoreErrorCode] = {429: "slow_down", 503: "slow_down", 507: "full"}
_HINTS: dict[StoreErrorCode, str] = {
    "denied": ": check access_key and secret_key, and that the clocks agree",
    "no_bucket": ": create the bucket, or give the key the right to",
    "full": ": the object store is full",
    "unsupported": ": this server does not offer that",
    "slow_down": ": it has too much to do; it is asked more slowly",
}


def code_of(error_code: str | None) -> StoreErrorCode:
    """The store's code for one of the protocol's."""
    return _CODES.get(error_code or "", "failed")


def store_error(where: str, error: Exception) -> StoreError:
    """What the client raised, for ``where`` (the bucket and its server; no secrets)."""
    if isinstance(error, S3Error):
        code = code_of(error.code)
        hint = _HINTS.get(code, "")
        return StoreError(code, f"{where} refuses ({error.code}: {error.message}){hint}")
    if isinstance(error, (ServerError, InvalidResponseError)):
        status = getattr(error, "status_code", None) or getattr(error, "_code", None)
        code = _STATUSES.get(status or 0, "failed")
        return StoreError(code, f"{where} answers HTTP {status}: look at its own log")
    if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason is not None:
        error = error.reason
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return StoreError("unreachable", f"{where} cannot be reached: {error}")
    timed_out = any(isinstance(one, TimeoutError) for one in error.args)  # while sending
    if timed_out or isinstance(error, urllib3.exceptions.TimeoutError):
        return StoreError("timeout", f"{where} does not answer in time: {error}")
    if isinstance(error, urllib3.exceptions.HTTPError):
        return StoreError("unreachable", f"{where}: the connection broke: {error}")
    return StoreError("failed", f"{where}: {error}")
