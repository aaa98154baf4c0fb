#!/usr/bin/env python3
"""A camera whose RTSP server is not ours: GStreamer's, playing a clip to its end.

Run it with Debian's own Python: ``/usr/bin/python3 gstreamer_camera.py CLIP h264|h265 [SOUND]``,
where SOUND is one of alaw, mulaw, aac, opus. It listens on a free port of loopback and prints
``rtsp://127.0.0.1:PORT/cam``. Each client gets its own playback from the beginning. ``/locked`` is
the same behind Digest authentication (user ``viewer``, password ``secret``).
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

SOUNDS = {
    "alaw": "audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay",
    "mulaw": "audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay",
    "aac": "audio/x-raw,rate=48000,channels=2 ! avenc_aac ! aacparse ! rtpmp4gpay",
    "opus": "audio/x-raw,rate=48000,channels=2 ! opusenc ! rtpopuspay",
}


def factory_for(launch: str) -> "GstRtspServer.RTSPMediaFactory":
    """A mount point's factory; media are not shared, so that each client starts at the start."""
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_shared(False)
    factory.set_launch(launch)
    return factory


def main() -> None:
    """Serve until killed."""
    clip, codec, *sound = sys.argv[1:]
    Gst.init(None)
    launch = (
        f'( filesrc location="{clip}" ! qtdemux ! {codec}parse ! identity sync=true ! '
        f"rtp{codec}pay name=pay0 pt=96 config-interval=-1 "
    )
    if sound:
        launch += f"audiotestsrc is-live=true ! {SOUNDS[sound[0]]} name=pay1 pt=97 "
    launch += ")"
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    authentication = GstRtspServer.RTSPAuth()
    authentication.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    viewer, anyone = GstRtspServer.RTSPToken(), GstRtspServer.RTSPToken()
    viewer.set_string("media.factory.role", "viewer")
    anyone.set_string("media.factory.role", "anyone")
    authentication.add_digest("viewer", "secret", viewer)
    authentication.set_default_token(anyone)
    server.set_auth(authentication)
    for path, open_to_all in (("/cam", True), ("/locked", False)):
        permissions = GstRtspServer.RTSPPermissions()
        for role in ("anyone", "viewer"):
            # Access without the right to construct is what makes the server ask for a password.
            may_construct = open_to_all or role == "viewer"
            permissions.add_permission_for_role(role, "media.factory.access", True)
            permissions.add_permission_for_role(role, "media.factory.construct", may_construct)
        factory = factory_for(launch)
        factory.set_permissions(permissions)
        server.get_mount_points().add_factory(path, factory)

    server.attach(None)
    print(f"rtsp://127.0.0.1:{server.get_bound_port()}/cam", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
