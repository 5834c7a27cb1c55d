#!/usr/bin/python3
"""An RTSP server with a camera that numbers its pictures by the clock.

Picture n is of the moment --began-ms + n * 1000 / --fps, whoever looks: what is sent while nobody reads has its numbers,
too. A number is 24 bits, the highest first, then their complement: blocks of bright and dark, 8 to a row, that no
encoder makes unreadable. Every client has an encoder of its own and begins with a key frame.

With --film nothing is encoded: picture n is the nth of that film, which begins anew after its last one. It is H.264 in Annex B
with access unit delimiters and a key frame every --gop pictures. With --mounts N there are N cameras, /numbered-0 and so on;
what one shows, the next shows the Nth part of a second later.

Needs what rtsp-server.py needs. Listens on 127.0.0.1 and prints `ready <port>` once it does; /numbered is its mount.
"""

import argparse
import sys
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

COLUMNS, ROWS, BLOCK = 8, 6, 16
BRIGHT, DARK, GREY = b"\xdc", b"\x24", b"\x80"
# Looks whether a picture is due so often in its time.
LOOKS = 4


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8554)
    parser.add_argument("--began-ms", type=int, required=True, help="when picture 0 was, Unix milliseconds")
    parser.add_argument("--fps", type=int, default=15)
    parser.add_argument("--gop", type=int, default=15, help="pictures from one key frame to the next")
    parser.add_argument("--film", help="what is sent instead of pictures that are drawn and encoded")
    parser.add_argument("--mounts", type=int, default=0, help="cameras besides the one at /numbered")
    return parser.parse_args()


def picture(number):
    """The planes of I420."""
    bits = format(number & 0xFFFFFF, "024b")
    bits += bits.translate(str.maketrans("01", "10"))
    rows = [bits[row * COLUMNS : (row + 1) * COLUMNS] for row in range(ROWS)]
    line = {row: b"".join((BRIGHT if bit == "1" else DARK) * BLOCK for bit in row) for row in rows}
    luma = b"".join(line[row] * BLOCK for row in rows)
    return luma + GREY * (len(luma) // 2)


def pictures_of(film):
    """The access units of a film."""
    delimiter = b"\0\0\0\1\x09"
    with open(film, "rb") as file:
        return [delimiter + unit for unit in file.read().split(delimiter)[1:]]


class Feeder:
    """Gives one client's encoder, or its connection, every picture that is due."""

    def __init__(self, source, args, film, late_ms):
        self.source, self.args, self.film = source, args, film
        self.began_ms = args.began_ms + late_ms
        self.next = self.first = self.begins = None
        GLib.timeout_add(1000 // (args.fps * LOOKS), self.look)

    def due(self):
        return int((time.time() * 1000 - self.began_ms) * self.args.fps / 1000)

    def look(self):
        clock = self.source.get_clock()
        _, state, _ = self.source.get_state(0)
        if state == Gst.State.NULL and self.first is not None:
            return False
        if state != Gst.State.PLAYING or clock is None:
            return True
        if self.first is None:
            self.begin(clock.get_time() - self.source.get_base_time())
        while self.next <= self.due():
            if self.push(self.next) != Gst.FlowReturn.OK:
                return False
            self.next += 1
        return True

    def begin(self, now):
        """With the picture that is due, or the next key frame of a film."""
        self.first = self.due()
        if self.film:
            self.first += self.args.gop - self.first % self.args.gop
        self.next = self.first
        ahead_ms = self.began_ms + self.first * 1000 / self.args.fps - time.time() * 1000
        self.begins = now + int(max(ahead_ms, 0) * Gst.MSECOND)

    def push(self, number):
        data = self.film[number % len(self.film)] if self.film else picture(number)
        buffer = Gst.Buffer.new_wrapped(data)
        buffer.pts = self.begins + (number - self.first) * Gst.SECOND // self.args.fps
        buffer.duration = Gst.SECOND // self.args.fps
        return self.source.emit("push-buffer", buffer)


def factory(args, film, late_ms):
    source = "appsrc name=pictures is-live=true format=time max-bytes=0 caps="
    rate = f"framerate={args.fps}/1"
    payloader = "rtph264pay name=pay0 pt=96 config-interval=1"
    if film:
        launch = f"{source}video/x-h264,stream-format=byte-stream,alignment=au,{rate} ! h264parse ! {payloader}"
    else:
        launch = (
            f"{source}video/x-raw,format=I420,width={COLUMNS * BLOCK},height={ROWS * BLOCK},{rate} ! "
            f"x264enc tune=zerolatency speed-preset=ultrafast key-int-max={args.gop} bitrate=500 threads=1 ! "
            f"video/x-h264,profile=baseline ! {payloader}"
        )
    made = GstRtspServer.RTSPMediaFactory()
    made.set_launch(f"( {launch} )")
    made.set_shared(False)

    def feed(_, media):
        Feeder(media.get_element().get_by_name("pictures"), args, film, late_ms)

    made.connect("media-configure", feed)
    return made


def main():
    args = arguments()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(args.address)
    server.set_service(str(args.port))
    film = pictures_of(args.film) if args.film else None
    mounts = server.get_mount_points()
    mounts.add_factory("/numbered", factory(args, film, 0))
    for number in range(args.mounts):
        mounts.add_factory(f"/numbered-{number}", factory(args, film, number * 1000 // args.mounts))
    if not server.attach(None):
        sys.exit(f"cannot listen on {args.address}:{args.port}")
    print("ready", server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
