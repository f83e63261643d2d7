"""A case that reads from an object server (object_server.py), and what the server counted."""

import json
import socket
import subprocess
import sys

from side_by_side import HERE, Case


class Served(Case):
    """Each run has its own server in another process, whose start and end are not timed; `served` is what it sent in
    the last one. After its end, its processor time counts as that of the benchmark, not of others."""

    def __init__(self, root, port, latency, *case):
        super().__init__(*case)
        self.server = [sys.executable, HERE / "object_server.py", root, "--port", port, "--latency", latency]

    def once(self):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(list(map(str, self.server)), **pipes) as server:
            if not server.stdout.readline():
                sys.exit(f"the object server did not start: {' '.join(map(str, self.server))}")
            weighed = super().once()
            server.stdin.close()
            self.served = json.loads(server.stdout.read())
        return weighed


def free_port():
    """On the loopback interface; it is needed before the server runs, for the commands that name it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
