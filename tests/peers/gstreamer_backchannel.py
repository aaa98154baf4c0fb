#!/usr/bin/env python3
"""A camera with a loudspeaker: GStreamer's ONVIF RTSP server, what it hears goes to a file.

``/usr/bin/python3 gstreamer_backchannel.py FILE PCMA|PCMU`` prints ``rtsp://127.0.0.1:PORT/cam``.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def main() -> None:
    """Serve until killed."""
    path, encoding = sys.argv[1:]
    Gst.init(None)
    number, depay = {"PCMA": (8, "rtppcmadepay"), "PCMU": (0, "rtppcmudepay")}[encoding]
    server = GstRtspServer.RTSPOnvifServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    factory = GstRtspServer.RTSPOnvifMediaFactory()
    factory.set_launch(
        "( videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=10/1 "
        "! x264enc tune=zerolatency "
        # Who wants the loudspeaker alone leaves the picture unlinked: to its source an error that
        # would end the whole medium, now and then before the loudspeaker has begun.
        "! errorignore ignore-notlinked=true convert-to=ok ! rtph264pay name=pay0 pt=96 )"
    )
    factory.set_backchannel_launch(
        f'( capsfilter caps="application/x-rtp,media=audio,payload={number},clock-rate=8000,'
        f'encoding-name={encoding}" name=depay_backchannel ! {depay} '
        f"! filesink location={path} buffer-mode=2 sync=false async=false )"
    )
    factory.set_media_gtype(GstRtspServer.RTSPOnvifMedia.__gtype__)
    server.get_mount_points().add_factory("/cam", factory)
    server.attach(None)
    print(f"rtsp://127.0.0.1:{server.get_bound_port()}/cam", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
