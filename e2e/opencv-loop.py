#!/usr/bin/env python3
"""What one would write instead: reads a stream with OpenCV on one thread and makes a JPEG of every nth frame.

Usage: opencv-loop.py URL EVERY WARM_S MEASURE_S
Prints one line of JSON: milliseconds of processor time for a second of video, memory (PSS, MiB), frames read.
"""

import json
import os
import sys
import time

os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "rtsp_transport;tcp|threads;1"
import cv2  # noqa: E402


def proportional_mib():
    with open("/proc/self/smaps_rollup", encoding="ascii") as lines:
        sizes = [int(line.split()[1]) for line in lines if line.startswith("Pss:")]
    return sizes[0] / 1024


def main():
    url, every, warm_s, measure_s = sys.argv[1], *map(int, sys.argv[2:5])
    cv2.setNumThreads(1)
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
    fps = capture.get(cv2.CAP_PROP_FPS)
    frames = jpegs = jpeg_bytes = 0
    begun, spent = None, 0.0
    started = time.monotonic()
    while True:
        read, picture = capture.read()
        if not read:
            sys.exit("the stream ended too early")
        now = time.monotonic()
        if begun is None and now - started >= warm_s:
            begun, spent, frames, jpegs = now, time.process_time(), 0, 0
        frames += 1
        if frames % every == 0:
            made, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])
            jpegs, jpeg_bytes = jpegs + made, jpeg_bytes + len(jpeg)
        if begun is not None and now - begun >= measure_s:
            break
    # Of video and not of time: a loop that falls behind reads less.
    video_s = frames / fps
    used_ms = (time.process_time() - spent) * 1000
    print(json.dumps({
        "cpu_ms": used_ms / video_s,
        "pss_mib": proportional_mib(),
        "frames": frames,
        "jpegs": jpegs,
        "fps": fps,
    }))


if __name__ == "__main__":
    main()
