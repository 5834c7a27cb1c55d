"""The camera of `zoetrope up --demo`: an RTSP server of GStreamer's that shows a moving ball and a changing sign.

    /usr/bin/python3 camera.py ADDRESS PORT

Prints `ready <port>` once it listens, on another port if this one is taken, or `failed <why>`. The stream is /demo.
"""

import itertools
import sys

PATH = "/demo"
SIGNS = ["Parcel ZT-1042 at gate 3", "Gate 3 closed", "Parcel ZT-1043 at gate 5", "Gate 5 closed"]
SECONDS_A_SIGN = 4
NEEDED = ["videotestsrc", "rsvgoverlay", "videoconvert", "x264enc", "rtph264pay"]
LAUNCH = (
    "( videotestsrc is-live=true pattern=ball background-color=0xff1d3557 foreground-color=0xffe9c46a"
    " ! video/x-raw,width=640,height=360,framerate=15/1 ! videoconvert ! rsvgoverlay name=sign ! videoconvert"
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 bitrate=1500 threads=1"
    " ! video/x-h264,profile=baseline ! rtph264pay name=pay0 pt=96 config-interval=1 )"
)
SIGN = (
    '<svg width="640" height="360" xmlns="http://www.w3.org/2000/svg"><rect y="20" width="640" height="64" fill="white"/>'
    '<text x="320" y="66" font-size="40" font-family="sans-serif" text-anchor="middle">{}</text></svg>'
)


def failed(why):
    print("failed", " ".join(str(why).split()), flush=True)
    sys.exit(1)


try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer
except (ImportError, ValueError) as error:
    failed(error)


def show_signs(_factory, media):
    sign, texts = media.get_element().get_by_name("sign"), itertools.cycle(SIGNS)

    def change():
        sign.set_property("data", SIGN.format(next(texts)))
        return GLib.SOURCE_CONTINUE

    change()
    timer = GLib.timeout_add_seconds(SECONDS_A_SIGN, change)
    media.connect("unprepared", lambda _media: GLib.source_remove(timer))


def main():
    address, port = sys.argv[1:]
    Gst.init(None)
    for name in NEEDED:
        if Gst.ElementFactory.find(name) is None:
            failed(f"GStreamer has no {name}")
    # A pipeline for each client: two that ask at once for a shared one that is starting get 503 for good.
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(LAUNCH)
    factory.set_shared(False)
    factory.connect("media-configure", show_signs)
    server = GstRtspServer.RTSPServer()
    server.set_address(address)
    server.get_mount_points().add_factory(PATH, factory)
    for wanted in (port, "0"):
        server.set_service(wanted)
        if server.attach(None):
            break
    else:
        failed(f"nothing can listen on {address}")
    print("ready", server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


main()
