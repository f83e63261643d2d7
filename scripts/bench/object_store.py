"""A case that reads from an object server (object_server.py), with the counters of the server."""

import json
import socket
import subprocess
import sys

from side_by_side import HERE, Case


class Served(Case):
    """Each run has its own server in another process, whose start and end are not timed; `served` has the counters of
    the last one. Its processor time is attributed to the benchmark, not to other processes."""

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
    """A free port on the loopback interface; commands need it before the server runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
