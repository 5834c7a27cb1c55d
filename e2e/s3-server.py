#!/usr/bin/env python3
"""An S3 server for tests: moto's, which keeps everything in memory.

Run by the python of the environment that `scripts/setup tests` makes. Listens on a free port of 127.0.0.1 and prints
`ready <port>` once it does.
"""

import threading

from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
_, port = server.get_host_and_port()
print("ready", port, flush=True)
threading.Event().wait()
