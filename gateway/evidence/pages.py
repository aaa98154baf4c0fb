"""The pages that go with the footage: one that plays it, one that tells how to check it."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.evidence.keys import PublicKey
from gateway.evidence.order import Order
from gateway.footage.playback_index import Range

_FOLDER = Path(__file__).parent / "page"
_SCRIPT_UNSAFE = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


@functools.cache
def verifier_page() -> bytes:
    """The offline verifier: one file, for any browser."""
    return (_FOLDER / "verifier.html").read_bytes()


@functools.cache
def _player() -> str:
    return (_FOLDER / "player.html").read_text("utf-8")


def player_page(
    order: Order,
    wanted: Range,
    cameras: Sequence[Mapping[str, Any]],
    files: Sequence[Mapping[str, Any]],
) -> bytes:
    """``index.html``: all cameras on one clock, by files that lie beside it. ``cameras`` and
    ``files`` are the manifest's.
    """
    playlist = {
        "start_us": wanted.start_us,
        "end_us": wanted.end_us,
        "utc_offset_minutes": order.utc_offset_minutes,
        "requested_by": f"{order.requester['display_name']} ({order.requester['name']})",
        "reason_code": order.reason["code"],
        "reason_text": order.reason["text"] or "",
        "case_number": order.case["number"] if order.case is not None else None,
        "cameras": [
            {
                "name": camera["name"],
                "area": camera["area"],
                "gaps": camera["gaps"],
                "clock_offsets": camera["clock_offsets"],
                "files": [
                    {"path": one["path"], "stretches": one["stretches"]}
                    for one in _to_play(camera["id"], files)
                ],
            }
            for camera in cameras
        ],
        "files": [
            {name: one[name] for name in ("path", "kind", "start_us", "end_us", "sha256")}
            for one in files
        ],
    }
    # Names come from people: none may end the element that they stand in.
    text = json.dumps(playlist, ensure_ascii=False).translate(_SCRIPT_UNSAFE)
    return _player().replace("PLAYLIST", text, 1).encode()


def _to_play(camera_id: str, files: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of each piece the viewing copy, where there is one."""
    best: dict[str, Mapping[str, Any]] = {}
    for one in files:
        name = str(one["path"]).partition("/")[2]
        if one["camera_id"] == camera_id and (one["kind"] == "viewing" or name not in best):
            best[name] = one
    return sorted(best.values(), key=lambda one: int(one["start_us"]))


def instructions(keys: Sequence[PublicKey]) -> bytes:
    """``README.txt``, in Chinese and English, with the line ends that Notepad wants."""
    fingerprints = "\n".join(f"  {key.algorithm}: {key.fingerprint}" for key in keys)
    text = f"""\
观看：先把整个压缩包解压，再用浏览器（Edge、Chrome）打开 index.html。
To watch: unpack the whole archive, then open index.html in a browser (Edge, Chrome).

核验：公钥和核验工具必须另行取得，不能取自本压缩包。
  · 任何浏览器：打开 verifier.html，选择压缩包，输入公钥；不需要网络。
  · 命令行：gridsight evidence verify 压缩包.zip --key 公钥
To verify: the public key and the verifier must come another way, not from this archive.
  - Any browser: open verifier.html, choose the archive, enter the key; no network is needed.
  - Command line: gridsight evidence verify PACKAGE.zip --key KEY

original/  原始录像，未作任何改动 / the recorded samples, untouched
viewing/   观看副本 / copies that play everywhere
manifest.json, manifest.sig  清单与签名 / what was exported, and its signature

签名密钥指纹（仅供对照）/ fingerprints of the signing keys (compare them, do not trust them):
{fingerprints}
"""
    return ("\ufeff" + text.replace("\n", "\r\n")).encode()
