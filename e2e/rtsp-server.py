#!/usr/bin/python3
"""An RTSP server for tests and demonstrations, made of GStreamer's.

Needs Debian's python3-gi and gir1.2-gst-rtsp-server-1.0 and GStreamer's plugins (`make setup`), and Debian's own
python: /usr/bin/python3. Listens on 127.0.0.1 and prints `ready <port>` once it does. Port 0 takes any free one.

Mounts:
    /h264 /h265         video alone
    /h264aac /h264pcmu  with audio beside it
    /still              H.264, nothing moves
    /slow               H.264, one picture a second, a key frame every --slow-gop of them
    /camera             --camera: one path whose pictures are others when the server is started again
    /file               --file, once for every client
    /replay             --file without end, shared
    /<video>-<sound>-<name>
                        every video (h264, h264b, h265) with every sound (none, aac, pcmu), under any of the names tcp and
                        udp: GStreamer answers 503 when two clients ask at once for a mount that is just starting

All but /file are one pipeline for all their clients, and stand still for all when two that come at once make GStreamer wait for
itself; with --apart each client has its own.

With --auth basic or digest every request needs alice and secret.
"""

import argparse
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

ADDRESS = "127.0.0.1"
USER, PASSWORD = "alice", "secret"
ROLE = "viewer"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", default=ADDRESS)
    parser.add_argument("--port", type=int, default=8554)
    parser.add_argument("--auth", choices=["none", "basic", "digest"], default="none")
    parser.add_argument("--file", help="an MP4 with H.264 for /file and /replay")
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--fps", type=int, default=15)
    parser.add_argument("--gop", type=int, default=15, help="pictures from one key frame to the next")
    parser.add_argument("--slow-gop", type=int, default=1, help="the same of /slow")
    parser.add_argument("--apart", action="store_true", help="a pipeline for each client")
    parser.add_argument("--camera", choices=["h264", "h265"], default="h264", help="how /camera is compressed")
    return parser.parse_args()


def launches(args):
    width, height = args.size.split("x")

    def raw(pattern, fps):
        caps = f"video/x-raw,width={width},height={height},framerate={fps}/1"
        return f"videotestsrc is-live=true pattern={pattern} ! {caps} ! "

    def h264(gop):
        encoder = f"x264enc tune=zerolatency speed-preset=ultrafast key-int-max={gop} bitrate=1500 threads=1"
        return f"{encoder} ! video/x-h264,profile=baseline ! rtph264pay name=pay0 pt=96 config-interval=1"

    h265 = f"x265enc tune=zerolatency speed-preset=ultrafast key-int-max={args.gop} ! rtph265pay name=pay0 pt=96 config-interval=1"
    thrifty = h265.replace("x265enc ", 'x265enc option-string="pools=none:frame-threads=1" ')
    aac = " audiotestsrc is-live=true ! audio/x-raw,rate=44100,channels=2 ! avenc_aac ! rtpmp4gpay name=pay1 pt=97"
    pcmu = " audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay name=pay1 pt=0"
    still = f"videotestsrc is-live=true pattern=smpte75 ! video/x-raw,width={width},height={height},framerate={args.fps}/1 ! "
    mounts = {
        "/h264": raw("ball", args.fps) + h264(args.gop),
        "/h265": raw("ball", args.fps) + h265,
        "/h264aac": raw("ball", args.fps) + h264(args.gop) + aac,
        "/h264pcmu": raw("ball", args.fps) + h264(args.gop) + pcmu,
        "/still": still + h264(args.gop),
        "/slow": raw("ball", 1) + h264(args.slow_gop),
        "/camera": raw("ball", args.fps) + {"h264": h264(args.gop), "h265": thrifty}[args.camera],
    }
    videos = {
        "h264": h264(args.gop),
        "h264b": f"x264enc speed-preset=superfast bframes=2 b-adapt=false key-int-max={args.gop} bitrate=500 threads=1 rc-lookahead=0"
        " ! video/x-h264,profile=main ! rtph264pay name=pay0 pt=96 config-interval=1",
        "h265": thrifty,
    }
    for video, encoder in videos.items():
        for sound, more in {"none": "", "aac": aac, "pcmu": pcmu}.items():
            for name in ("tcp", "udp"):
                mounts[f"/{video}-{sound}-{name}"] = raw("ball", args.fps) + encoder + more
    if args.file:
        film = f'filesrc location="{args.file}" ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1'
        mounts["/file"] = mounts["/replay"] = film
    return mounts


def factory(launch, shared, auth):
    made = GstRtspServer.RTSPMediaFactory()
    made.set_launch(f"( {launch} )")
    made.set_shared(shared)
    if auth != "none":
        permissions = GstRtspServer.RTSPPermissions()
        for permission in ("media.factory.access", "media.factory.construct"):
            permissions.add_permission_for_role(ROLE, permission, True)
        made.set_permissions(permissions)
    return made


def guard(server, auth):
    # Without a default token every request needs credentials; with one, a refusal would look like 404.
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", ROLE)
    made = GstRtspServer.RTSPAuth()
    if auth == "basic":
        made.set_supported_methods(1)
        made.add_basic(GstRtspServer.RTSPAuth.make_basic(USER, PASSWORD), token)
    else:
        made.set_supported_methods(2)
        made.add_digest(USER, PASSWORD, token)
    server.set_auth(made)


def main():
    args = arguments()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(args.address)
    server.set_service(str(args.port))
    mounts = server.get_mount_points()
    for path, launch in launches(args).items():
        mounts.add_factory(path, factory(launch, path != "/file" and not args.apart, args.auth))
    if args.auth != "none":
        guard(server, args.auth)
    if not server.attach(None):
        sys.exit(f"cannot listen on {args.address}:{args.port}")
    print("ready", server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
