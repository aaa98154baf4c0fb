#!/usr/bin/env python3
"""A recorder whose replay server is not ours: GStreamer's RTSP server with its ONVIF extension.

Run it with Debian's own Python: ``/usr/bin/python3 gstreamer_replay.py CLIP [h264|h265]``. It plays
CLIP to whoever asks with ``Require: onvif-replay``, as fast as it is read; the clip's first picture
was taken on 1 January 1900, 00:00 UTC, which is where GStreamer's ranges begin. It prints
``rtsp://127.0.0.1:PORT/replay``; user ``viewer``, password ``secret``.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402


def main() -> None:
    """Serve until killed."""
    clip, codec = sys.argv[1:]
    Gst.init(None)
    factory = GstRtspServer.RTSPOnvifMediaFactory()
    factory.set_media_gtype(GstRtspServer.RTSPOnvifMedia.__gtype__)
    factory.set_shared(False)
    factory.set_replay_support(True)
    factory.set_launch(
        f'( filesrc location="{clip}" ! qtdemux ! {codec}parse ! '
        f"rtp{codec}pay pt=96 config-interval=-1 ! "
        "rtponviftimestamp name=pay0 set-e-bit=true ntp-offset=0 )"
    )
    server = GstRtspServer.RTSPOnvifServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    authentication = GstRtspServer.RTSPAuth()
    authentication.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    authentication.add_digest("viewer", "secret", token)
    server.set_auth(authentication)
    permissions = GstRtspServer.RTSPPermissions()
    for right in ("access", "construct"):
        permissions.add_permission_for_role("viewer", f"media.factory.{right}", True)
    factory.set_permissions(permissions)
    server.get_mount_points().add_factory("/replay", factory)
    server.attach(None)
    print(f"rtsp://127.0.0.1:{server.get_bound_port()}/replay", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
