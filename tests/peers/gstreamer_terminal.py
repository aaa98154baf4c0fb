#!/usr/bin/env python3
"""A terminal's camera and screen that are not ours: GStreamer's encoder, RTP, RTCP and decoder.

Run it with Debian's own Python: ``/usr/bin/python3 gstreamer_terminal.py COLOUR WIDTH HEIGHT
PAYLOAD_TYPE PROFILE``. It prints ``port P`` (RTP; RTCP at P + 1), then for each picture that it has
decoded ``shown WIDTH HEIGHT RED GREEN BLUE``, of its middle, and ``forced`` for each keyframe that
it was asked for by RTCP. On its input: ``aim PORT`` begins to send there, from P, ``film 0`` and
``film 1`` stop and go on. Its keyframes are ten seconds apart, unless it is asked for one.
"""

import socket
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gio, GLib, Gst  # noqa: E402

PIPELINE = """
rtpbin name=rtp rtp-profile=avpf latency=100 do-lost=true
videotestsrc is-live=true pattern={colour}
  ! video/x-raw,format=I420,width={width},height={height},framerate=15/1 ! valve name=valve
  ! x264enc name=encoder tune=zerolatency speed-preset=ultrafast key-int-max=150 bitrate=256
  ! video/x-h264,profile={profile} ! rtph264pay pt={payload_type} mtu=1200 config-interval=-1
  ! rtp.send_rtp_sink_0
rtp.send_rtp_src_0 ! udpsink name=rtp_out host=127.0.0.1 port=9 sync=false async=false
rtp.send_rtcp_src_0 ! udpsink name=rtcp_out host=127.0.0.1 port=9 sync=false async=false
udpsrc name=rtp_in caps="application/x-rtp,media=video,clock-rate=90000,encoding-name=H264,\
payload={payload_type},rtcp-fb-nack-pli=true" ! rtp.recv_rtp_sink_0
udpsrc name=rtcp_in caps="application/x-rtcp" ! rtp.recv_rtcp_sink_0
"""
SHOWN = """
rtph264depay request-keyframe=true wait-for-keyframe=true ! avdec_h264 max-threads=1
  ! videoconvert ! video/x-raw,format=RGB ! appsink name=screen emit-signals=true sync=false
"""


def say(*words: object) -> None:
    """A line for the test."""
    print(*words, flush=True)


def bound() -> tuple[Gio.Socket, Gio.Socket, int]:
    """An even port and the next one."""
    while True:
        first = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        second = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
        if port % 2 == 0:
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            sockets = [Gio.Socket.new_from_fd(one.detach()) for one in (first, second)]
            return sockets[0], sockets[1], port


def main() -> None:
    """Film and show until killed."""
    colour, width, height, payload_type, profile = sys.argv[1:]
    Gst.init(None)
    pipeline = Gst.parse_launch(
        PIPELINE.format(
            colour=colour, width=width, height=height, payload_type=payload_type, profile=profile
        )
    )
    rtp_socket, rtcp_socket, port = bound()
    for name, one in (("rtp", rtp_socket), ("rtcp", rtcp_socket)):
        for way in ("in", "out"):
            element = pipeline.get_by_name(f"{name}_{way}")
            element.set_property("socket", one)
            element.set_property("close-socket", False)

    def on_sample(sink: Gst.Element) -> Gst.FlowReturn:
        sample = sink.emit("pull-sample")
        caps = sample.get_caps().get_structure(0)
        wide, high = caps.get_value("width"), caps.get_value("height")
        data = sample.get_buffer().extract_dup(0, sample.get_buffer().get_size())
        stride = len(data) // high
        middle = high // 2 * stride + wide // 2 * 3
        say("shown", wide, high, *data[middle : middle + 3])
        return Gst.FlowReturn.OK

    def on_pad(_: Gst.Element, pad: Gst.Pad) -> None:
        if not pad.get_name().startswith("recv_rtp_src"):
            return
        shown = Gst.parse_bin_from_description(SHOWN, True)
        shown.get_by_name("screen").connect("new-sample", on_sample)
        pipeline.add(shown)
        pad.link(shown.get_static_pad("sink"))
        shown.sync_state_with_parent()

    def on_event(_: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        structure = info.get_event().get_structure()
        if structure is not None and structure.get_name() == "GstForceKeyUnit":
            say("forced")
        return Gst.PadProbeReturn.OK

    def obey() -> None:
        for line in sys.stdin:
            command, value = line.split()
            if command == "aim":
                pipeline.get_by_name("rtp_out").set_property("port", int(value))
                pipeline.get_by_name("rtcp_out").set_property("port", int(value) + 1)
            elif command == "film":
                pipeline.get_by_name("valve").set_property("drop", value == "0")
        loop.quit()

    pipeline.get_by_name("rtp").connect("pad-added", on_pad)
    pad = pipeline.get_by_name("encoder").get_static_pad("src")
    pad.add_probe(Gst.PadProbeType.EVENT_UPSTREAM, on_event)
    loop = GLib.MainLoop()
    threading.Thread(target=obey, daemon=True).start()
    pipeline.set_state(Gst.State.PLAYING)
    say("port", port)
    loop.run()
    pipeline.set_state(Gst.State.NULL)


main()
