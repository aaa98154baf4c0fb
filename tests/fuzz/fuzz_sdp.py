"""Session descriptions, and the choice of tracks from them."""

from __future__ import annotations

from camera_adapters import sdp
from camera_adapters.rtp.tracks import NoVideoError, audio_depacketiser, choose_tracks

SEEDS = [
    b"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=Camera\r\nt=0 0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\n"
    b"a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;profile-level-id=64001F;"
    b"sprop-parameter-sets=Z2QAH6zZQFAFu/8AAAMAAQAAAwAyDxgxlg==,aOvjyyLA\r\na=control:trackID=1\r\n"
    b"a=framerate:25.0\r\nm=audio 0 RTP/AVP 97 8\r\na=rtpmap:97 MPEG4-GENERIC/16000/1\r\n"
    b"a=fmtp:97 streamtype=5;mode=AAC-hbr;config=1408;sizelength=13;indexlength=3;"
    b"indexdeltalength=3\r\na=control:trackID=2\r\n",
    b"v=0\nm=video 0 RTP/AVP 98\na=rtpmap:98 H265/90000\na=fmtp:98 sprop-vps=QAEMAf//AWAAAA==;"
    b"sprop-sps=QgEBAWAAAAMAkAAAAwAAAwBaoAYCAJBZZKkkyuaAgAAAAwCAAAAFBA==;sprop-pps=RAHBcrRiQA==\n",
    b"m=audio 5004/2 RTP/AVP 0\nm=application 0 RTP/AVP 107\na=rtpmap:107 vnd.onvif.metadata/90000",
]


def target(data: bytes) -> None:
    try:
        session = sdp.parse(data)
        plans = choose_tracks(session)
    except (sdp.SdpError, NoVideoError):
        return
    for plan in plans:
        sdp.resolve_control("rtsp://a/b", plan.control)
        sdp.parameter_sets(plan.format)
        if plan.kind == "audio":
            audio_depacketiser(plan).frames(data, marker=True, after_gap=False)
