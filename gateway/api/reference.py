"""``/docs``: the API's reference, written out on the server: no script, no foreign host."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

router = APIRouter(include_in_schema=False)

_STYLE = """
body{font:15px/1.5 system-ui,"Noto Sans SC",sans-serif;max-width:60rem;margin:2rem auto;
padding:0 1rem;color:#1b2530;background:#fff}
h2{margin-top:2.5rem;border-bottom:1px solid #c9d2dc;text-transform:capitalize}
details{border:1px solid #c9d2dc;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer}code,pre{font:13px/1.45 ui-monospace,monospace}
pre{background:#f2f5f8;padding:.6rem;overflow:auto}
.method{display:inline-block;min-width:4.2rem;font-weight:700}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.15rem .8rem .15rem 0}
@media (prefers-color-scheme:dark){body{color:#dde5ec;background:#12181f}pre{background:#1d2630}}
"""


@router.get("/docs/style.css")
async def style() -> Response:
    """The page's style, as a file of its own: the content security policy allows no other."""
    return Response(_STYLE, media_type="text/css", headers={"Cache-Control": "no-cache"})


@router.get("/docs", response_class=HTMLResponse)
async def reference(request: Request) -> HTMLResponse:
    """Every route with its parameters, bodies and answers."""
    return HTMLResponse(page(request.app.openapi()))


def page(document: dict[str, Any]) -> str:
    """The OpenAPI document as HTML."""
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tag = (operation.get("tags") or ["other"])[0]
            groups.setdefault(tag, []).append(_operation(document, path, method, operation))
    info = document["info"]
    sections = "".join(f"<h2>{escape(tag)}</h2>{''.join(parts)}" for tag, parts in groups.items())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])}</title>"
        '<link rel="stylesheet" href="/docs/style.css">'
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f"<p>{escape(info.get('description', ''))}</p>"
        '<p>The same for programs: <a href="/openapi.json">openapi.json</a></p>'
        "<p>Every answer other than success:</p>"
        f"<pre>{escape(_type(document, {'$ref': 'FailureAnswer'}))}</pre>"
        f"{sections}</html>"
    )


def _operation(document: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> str:
    parts = [f"<p>{escape(operation.get('description', ''))}</p>"]
    rows = [
        f"<tr><td><code>{escape(parameter['name'])}</code></td>"
        f"<td>{escape(parameter['in'])}{', required' if parameter.get('required') else ''}</td>"
        f"<td><code>{escape(_type(document, parameter.get('schema', {})))}</code></td></tr>"
        for parameter in operation.get("parameters", [])
    ]
    if rows:
        parts.append(f"<table>{''.join(rows)}</table>")
    parts.extend(_contents(document, operation.get("requestBody", {})))
    for status, response in operation["responses"].items():
        # The form of failures is the same everywhere, and told once.
        if status.startswith("2"):
            parts.append(f"<p>→ {escape(status)}</p>")
            parts.extend(_contents(document, response))
    return (
        f'<details><summary><span class="method">{escape(method.upper())}</span> '
        f"<code>{escape(path)}</code></summary>{''.join(parts)}</details>"
    )


def _contents(document: dict[str, Any], body: dict[str, Any]) -> list[str]:
    schemas = [content.get("schema", {}) for content in body.get("content", {}).values()]
    return [f"<pre>{escape(_type(document, schema))}</pre>" for schema in schemas if schema]


def _type(document: dict[str, Any], schema: dict[str, Any], indent: str = "") -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _type(document, document["components"]["schemas"][name], indent)
    if "anyOf" in schema:
        return " | ".join(_type(document, option, indent) for option in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f'"{value}"' for value in schema["enum"])
    if "const" in schema:
        return f'"{schema["const"]}"'
    if schema.get("type") == "array":
        return f"[{_type(document, schema.get('items', {}), indent)}]"
    if "properties" in schema:
        required = schema.get("required", [])
        inner = indent + "  "
        lines = [
            f"{inner}{name}{'' if name in required else '?'}: {_type(document, value, inner)}"
            for name, value in schema["properties"].items()
        ]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"{{[name]: {_type(document, schema['additionalProperties'], indent)}}}"
    return str(schema.get("type", "any"))
