"""Parameter sets of the shared clips: 768×576, 10 pictures a second, no B-frames."""

from __future__ import annotations

H264_SPS = bytes.fromhex("6764001facb3018024d080000003008000000a078c1934")
H264_PPS = bytes.fromhex("68e9706cb22c")
H264_SETS = (H264_SPS, H264_PPS)

H265_VPS = bytes.fromhex("40010c01ffff01600000030090000003000003005a928090")
H265_SPS = bytes.fromhex(
    "42010101600000030090000003000003005aa0060200905964a924cae68080000003008000000504"
)
H265_PPS = bytes.fromhex("4401c172b46240")
H265_SETS = (H265_VPS, H265_SPS, H265_PPS)
