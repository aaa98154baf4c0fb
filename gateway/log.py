"""JSON log lines on standard error, with credentials redacted wherever they stand.

Redaction is a processor at the end of the chain: it walks every value of every line, so that a
password cannot slip out through a URL in an exception's message.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from gateway.settings import LogSettings

REDACTED = "***"

# user:password@ in any URL. The password may itself hold '@' or '/', which RFC 3986 forbids but
# cameras do; "host:8080/a@b" is no password.
_URL_CREDENTIALS = re.compile(
    r"(\b[a-z][a-z0-9+.-]*://)(?:[^\s/?#'\"<>]*@|[^\s/?#:'\"<>]+:(?!\d+[/?#])[^\s'\"<>]*@)",
    re.IGNORECASE,
)
_URL_SECRET_PARAMETER = re.compile(
    r"([?&](?:ticket|token|password|passwd|pwd|secret|signature|x-amz-[a-z-]+)=)[^&\s'\"#]+",
    re.IGNORECASE,
)
_AUTHORIZATION = re.compile(
    r"\b(authorization|proxy-authorization|cookie|set-cookie)(['\"]?\s*[:=]\s*['\"]?)[^\r\n'\"]+",
    re.IGNORECASE,
)
_SECRET_KEY = re.compile(
    r"(?:^|_|-)(?:password|passwd|pwd|secret|secret_key|token|ticket|cookie|authorization|"
    r"credential|credentials|private_key)$",
    re.IGNORECASE,
)


def redact_text(text: str) -> str:
    """``text`` without credentials in URLs, secret query parameters and authorization headers."""
    if "://" in text:
        text = _URL_CREDENTIALS.sub(rf"\1{REDACTED}@", text)
    if "=" in text:
        text = _URL_SECRET_PARAMETER.sub(rf"\1{REDACTED}", text)
    return _AUTHORIZATION.sub(rf"\1\2{REDACTED}", text)


def redact(value: Any) -> Any:
    """``value`` with every secret replaced, in nested mappings and sequences too."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {
            key: REDACTED
            if isinstance(key, str) and _SECRET_KEY.search(key) and item is not None
            else redact(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item) for item in value]
    if value is None or isinstance(value, int | float | bool):
        return value
    return redact_text(str(value))


def _redact_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    redacted: MutableMapping[str, Any] = redact(event)
    return redacted


def configure_logging(settings: LogSettings, process: str) -> None:
    """Send structlog and the standard library's logging through one redacting chain."""
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _bound_process(process),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _redact_event,
            renderer,
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # One line per request would drown the rest; what matters is in the audit log and the metrics.
    for noisy in ("uvicorn.access", "aiohttp.access", "urllib3", "aioice", "aiosqlite", "alembic"):
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = True
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _bound_process(process: str) -> structlog.typing.Processor:
    def add(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("process", process)
        return event

    return add
