"""The configuration of nginx: one origin in front of API processes, shards and footage servers.

What may be asked again goes to another API process when one has died. What changes something is
sent once: nginx passes POST and PATCH on only where no connection came about, PUT and DELETE never.
``/s/NAME/…`` goes straight to the process NAME, without the sign-in cookie; of a process that is
not listed yet the API knows where it is. What a client says of whom it speaks for is believed of
trusted proxies alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

# Above what the API takes of a file, and any offer; the API says itself what is too much.
_BODY_MEGABYTES = 64
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a process answers HTTP. ``down``: it does not answer just now."""

    address: str
    port: int
    down: bool = False

    def __str__(self) -> str:
        return (
            f"[{self.address}]:{self.port}"
            if ":" in self.address
            else f"{self.address}:{self.port}"
        )


@dataclass(frozen=True, slots=True)
class Encryption:
    """The certificate with its chain, its key, and the port of plain HTTP that leads to HTTPS."""

    certificate: Path
    key: Path
    http_port: int


@dataclass(frozen=True, slots=True)
class Front:
    """All that nginx must know. ``apis`` and ``media``: process name → where it is.

    ``session_cookie`` is the name of the cookie that only API processes are to see.
    """

    address: str
    port: int
    apis: Mapping[str, Endpoint]
    media: Mapping[str, Endpoint]
    session_cookie: str
    encryption: Encryption | None = None
    trusted_proxies: tuple[str, ...] = ()


def http_part(front: Front) -> str:
    """What stands within ``http { … }``: maps, upstream and servers. Raises ValueError for a name
    or path that cannot stand in a configuration.
    """
    parts = [_MAPS.replace("COOKIE", _name(front.session_cookie)), _upstream(front), _server(front)]
    if front.encryption is not None:
        parts.append(_plain_server(front, front.encryption))
    return "\n".join(parts)


def whole(front: Front, folder: Path) -> str:
    """A complete configuration, of an nginx that needs no other files and keeps its own in
    ``folder``. Raises ValueError.
    """
    own = _path(folder)
    temporary = "".join(f"    {name}_temp_path {own}/{name};\n" for name in _TEMPORARY)
    inner = "".join(f"    {line}\n" if line else "\n" for line in http_part(front).splitlines())
    return f"""# Made by 'gridsight nginx-config': changes are overwritten.
worker_processes auto;
worker_rlimit_nofile 65536;
# Live views of a former configuration play on for so long.
worker_shutdown_timeout 4h;
pid {own}/nginx.pid;
error_log {own}/error.log warn;

events {{
    worker_connections 16384;
}}

http {{
    access_log off;
    server_tokens off;
    default_type application/octet-stream;
    tcp_nodelay on;
{temporary}
{inner}}}
"""


_MAPS = r"""# Who signed in concerns the API alone.
map $http_cookie $gridsight_cookies_once {
    default $http_cookie;
    "~^(?<gs_before>(?:.*;\s*)?)COOKIE=[^;]*(?:;\s*(?<gs_after>.*))?$"
        "$gs_before$gs_after";
}
map $gridsight_cookies_once $gridsight_cookies {
    default $gridsight_cookies_once;
    "~(?:^|;\s*)COOKIE=" "";
}
map $http_upgrade $gridsight_connection {
    default upgrade;
    "" "";
}
# Browsers say where a page that opens a WebSocket came from; others say nothing.
map "$http_upgrade|$http_origin|$http_host" $gridsight_foreign {
    default 1;
    "~^\|" 0;
    "~^[^|]*\|\|" 0;
    "~^[^|]*\|[A-Za-z]+://(?<gridsight_origin>[^|]+)\|(?P=gridsight_origin)$" 0;
}
"""

_AWAY = (
    '{"error": {"code": "unavailable", '
    '"message": "a part of the gateway is being restarted: try again", "detail": {}}}'
)

_PROXY = """proxy_http_version 1.1;
proxy_set_header Host $http_host;
proxy_set_header X-Forwarded-For $remote_addr;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_set_header X-Forwarded-Host "";
proxy_set_header X-Real-IP "";
proxy_set_header Forwarded "";
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection $gridsight_connection;
"""


def _upstream(front: Front) -> str:
    all_down = all(one.down for one in front.apis.values())
    servers = "".join(
        f"    server {one} max_fails=1 fail_timeout=2s"
        # Where none answers, each is tried all the same.
        f"{' down' if one.down and not all_down else ''};  # {_name(name)}\n"
        for name, one in sorted(front.apis.items())
    )
    return f"""upstream gridsight_api {{
    zone gridsight_api 256k;
    least_conn;
{servers or "    server 127.0.0.1:1 down;  # none yet" + chr(10)}    keepalive 64;
    # Less than the API keeps one that is idle: nothing is sent into one that is just being closed.
    keepalive_timeout 3s;
}}
"""


def _server(front: Front) -> str:
    encryption = front.encryption
    listen = f"listen {Endpoint(front.address, front.port)}"
    tls = ""
    if encryption is not None:
        listen += " ssl"
        tls = f"""    ssl_certificate {_path(encryption.certificate)};
    ssl_certificate_key {_path(encryption.key)};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:gridsight:8m;
"""
    proxy = _indented(_PROXY + 'proxy_set_header X-Gridsight-Plain "";\n', 4)
    return f"""server {{
    {listen};
    server_name _;
{tls}{_trusted(front.trusted_proxies)}
    client_max_body_size {_BODY_MEGABYTES}m;
    client_body_buffer_size 256k;
    # Bodies go through as they come.
    proxy_request_buffering off;
    proxy_buffering off;
    proxy_connect_timeout 2s;
    # A live view of a camera that is away is silent for as long as that lasts.
    proxy_read_timeout 1h;
    proxy_send_timeout 1h;
    proxy_next_upstream error timeout;
    proxy_next_upstream_tries 3;
    proxy_next_upstream_timeout 10s;
    recursive_error_pages on;
    error_page 502 504 = @away;
    error_page 418 = @once;
{proxy}
    location / {{
        # These may be sent twice as HTTP has it (RFC 9110 §9.2.2), but not here. POST and PATCH
        # are passed on only where nothing has been sent yet.
        if ($request_method ~ ^(PUT|DELETE)$) {{
            return 418;
        }}
        proxy_pass http://gridsight_api;
    }}
    location @once {{
        proxy_next_upstream off;
        proxy_pass http://gridsight_api;
    }}
    location @away {{
        internal;
        default_type application/json;
        add_header Retry-After 1 always;
        add_header Cache-Control no-store always;
        return 503 '{_AWAY}';
    }}
    # A process that is not listed here yet: the API passes it through.
    location /s/ {{
        if ($request_method ~ ^(PUT|DELETE)$) {{
            return 418;
        }}
        proxy_pass http://gridsight_api;
    }}
{"".join(_media(name, one) for name, one in sorted(front.media.items()))}}}
"""


def _media(name: str, endpoint: Endpoint) -> str:
    proxy = _indented(_PROXY + "proxy_set_header Cookie $gridsight_cookies;\n", 8)
    return f"""    location /s/{_name(name)}/ {{
        if ($gridsight_foreign) {{
            return 403;
        }}
        proxy_next_upstream off;
{proxy}        add_header X-Content-Type-Options nosniff always;
        add_header X-Frame-Options SAMEORIGIN always;
        add_header Referrer-Policy same-origin always;
        add_header Content-Security-Policy "default-src 'none'; frame-ancestors 'self'" always;
        proxy_pass http://{endpoint};
    }}
"""


def _plain_server(front: Front, encryption: Encryption) -> str:
    proxy = _indented(_PROXY + "proxy_set_header X-Gridsight-Plain 1;\n", 4)
    return f"""# Plain HTTP shows the way to HTTPS, and nothing else.
server {{
    listen {Endpoint(front.address, encryption.http_port)};
    server_name _;
{_trusted(front.trusted_proxies)}    client_max_body_size 1k;
    proxy_connect_timeout 2s;
{proxy}    location / {{
        proxy_pass http://gridsight_api;
    }}
}}
"""


def _trusted(proxies: Iterable[str]) -> str:
    networks = [str(ip_network(one)) for one in proxies]
    if not networks:
        return ""
    believed = "".join(f"    set_real_ip_from {one};\n" for one in networks)
    return f"""{believed}    real_ip_header X-Forwarded-For;
    real_ip_recursive on;
"""


def _indented(text: str, spaces: int) -> str:
    return "".join(f"{' ' * spaces}{line}\n" for line in text.splitlines())


def _name(name: str) -> str:
    if _NAME.match(name) is None:
        raise ValueError(f"not the name of a process: {name!r}")
    return name


def _path(path: Path) -> str:
    text = str(path)
    if any(one in text for one in '"\\$\n;{}'):
        raise ValueError(f"nginx cannot be told of this path: {text}")
    return f'"{text}"' if " " in text else text
