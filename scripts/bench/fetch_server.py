"""S3 on the loopback interface by nginx, which is faster than its clients; read-only, counted, with latency and faults.

nginx sends the objects (two workers, sendfile) and adds their ETags with Lua; object_server.py answers the lists. ROOT/BUCKET/KEY is
the object /BUCKET/KEY. ETags are those of S3: the MD5 of an object that was uploaded whole, and for larger ones that of the
MD5s of their parts of 50 MiB, which is what s5cmd uploads.
"""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from object_store import free_port
from side_by_side import HERE, Case

PART = 50 << 20  # of a multipart upload
PIECE = 1 << 20

# Lua per fault; `fits` says whether the object is one of those it strikes.
FAULTS = {
    "flip": """
        body_filter_by_lua_block {
            if fits() and not ngx.ctx.flipped and ngx.arg[1] and #ngx.arg[1] > 0 then
                local at = math.min(#ngx.arg[1], 50)
                local byte = string.char(bit.bxor(ngx.arg[1]:byte(at), 1))
                ngx.arg[1] = ngx.arg[1]:sub(1, at - 1) .. byte .. ngx.arg[1]:sub(at + 1)
                ngx.ctx.flipped = true
            end
        }""",
    "stall": """
        content_by_lua_block {
            if not fits() then return ngx.exec("@plain") end
            local file = io.open(root .. ngx.var.uri, "rb")
            local body = file:read("*a")
            file:close()
            local first, last = (ngx.var.http_range or ""):match("^bytes=(%d+)%-(%d*)$")
            if first then
                last = math.min(tonumber(last) or #body, #body - 1)
                ngx.status = 206
                ngx.header["Content-Range"] = "bytes " .. first .. "-" .. last .. "/" .. #body
                body = body:sub(first + 1, last + 1)
            end
            ngx.header["Content-Length"] = #body
            ngx.header["ETag"] = etags[ngx.var.uri]
            ngx.header["Last-Modified"] = ngx.http_time(1767225600)
            ngx.print(body:sub(1, 2000))
            ngx.flush(true)
            ngx.sleep(3600)
        }""",
    "storm": "",  # half of the answers are 503 (see `access`)
    "slow": "limit_rate 4m;",
}


def nginx():
    """The path of nginx with its Lua module, or None."""
    path = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    return path if path and Path("/usr/share/nginx/modules-available/mod-http-lua.conf").exists() else None


class Run(NamedTuple):
    """What a server has sent."""

    requests: int
    bytes: int  # of bodies, listings included
    statuses: dict


class Server:
    """A running server; `with` ends it."""

    def __init__(self, root, latency=0, fault=None, strikes="", port=None):
        self.root, self.port, self.lists = Path(root).resolve(), port or free_port(), free_port()
        self.work = self.root.with_name("nginx")
        self.latency, self.fault, self.strikes = latency, fault, strikes

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        self.work.mkdir(exist_ok=True)
        etags = self.work / "etags"
        etags.write_text("".join(etags_of(bucket, self.work).read_text() for bucket in sorted(self.root.iterdir())))
        (self.work / "nginx.conf").write_text(self.configuration())
        self.log.write_text("")
        lists = [sys.executable, HERE / "object_server.py", self.root, "--port", self.lists, "--etags", etags]
        self.lister = subprocess.Popen(list(map(str, lists)), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lister.stdout.readline()
        # Lists are proxied: loopback only, whatever the proxy of the environment.
        self.process = subprocess.Popen([nginx(), "-c", self.work / "nginx.conf", "-e", self.work / "error.log"])
        wait_until_open(self.port, self.process)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.lister.communicate()

    @property
    def log(self):
        return self.work / "access.log"

    def served(self):
        """All requests since the start, or since `forget`."""
        lines = [line.split() for line in self.log.read_text().splitlines()]
        return Run(len(lines), sum(int(line[1]) for line in lines), dict(Counter(line[0] for line in lines)))

    def forget(self):
        os.truncate(self.log, 0)

    def configuration(self):
        storm = self.fault == "storm"
        user = "user root;" if os.geteuid() == 0 else ""
        kinds = "client_body", "proxy", "fastcgi", "uwsgi", "scgi"
        temporary = " ".join(f"{kind}_temp_path {self.work}/{kind};" for kind in kinds)
        return f"""
include /etc/nginx/modules-enabled/*.conf;
{user} daemon off; worker_processes 2; pid {self.work}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
    log_format short '$status $body_bytes_sent $request_method $uri';
    access_log {self.log} short;
    {temporary}
    sendfile on; tcp_nopush on; keepalive_requests 1000000; etag off; if_modified_since off;
    open_file_cache max=20000 inactive=600s;
    init_by_lua_block {{
        root, etags = "{self.root}", {{}}
        for line in io.lines("{self.work}/etags") do
            local etag, key = line:match("^(%S+) (.*)$")
            etags[key] = '"' .. etag .. '"'
        end
        function fits() return ngx.var.uri:find("{self.strikes}") and ngx.req.get_method() == "GET" end
        function access()
            if {self.latency / 1e3} > 0 then ngx.sleep({self.latency / 1e3}) end
            if {str(storm).lower()} and math.random() < 0.5 then
                ngx.status = 503
                ngx.header["Content-Type"] = "application/xml"
                ngx.print("<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>")
                return ngx.exit(503)
            end
            ngx.req.clear_header("If-Match")
            if ngx.var.args and ngx.var.args:find("list%-type") or ngx.var.uri:find("^/[^/]*/?$") then
                return ngx.exec("@lists")
            end
        end
    }}
    server {{
        listen 127.0.0.1:{self.port} backlog=4096;
        root {self.root};
        location / {{
            access_by_lua_block {{ access() }}
            header_filter_by_lua_block {{ ngx.header["ETag"] = etags[ngx.var.uri] or ngx.header["ETag"] }}
            {FAULTS[self.fault] if self.fault else ""}
        }}
        location @plain {{ header_filter_by_lua_block {{ ngx.header["ETag"] = etags[ngx.var.uri] }} }}
        location @lists {{ proxy_pass http://127.0.0.1:{self.lists}; }}
    }}
}}
"""


def wait_until_open(port, process):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    sys.exit("nginx did not start")


def etags_of(bucket, work):
    """A file with the ETag of every object of a bucket, made once."""
    path = work / f"{bucket.name}.etags"
    if not path.exists():
        objects = sorted(each for each in bucket.rglob("*") if each.is_file())
        path.write_text("".join(f"{etag(each)} /{bucket.name}/{each.relative_to(bucket).as_posix()}\n" for each in objects))
    return path


def etag(path):
    parts = []
    with open(path, "rb") as file:
        # In small pieces: the memory of this process is the least that can be measured of its children.
        for start in range(0, path.stat().st_size, PART):
            parts.append(hashlib.md5())
            for _ in range(start, start + PART, PIECE):
                parts[-1].update(file.read(PIECE))
    if len(parts) > 1:
        return f"{hashlib.md5(b''.join(part.digest() for part in parts)).hexdigest()}-{len(parts)}"
    return (parts or [hashlib.md5()])[0].hexdigest()


class Fetched(Case):
    """A case that reads from a server of its own, whose start and end are not timed; `served` has what it sent in the last run.
    Its processor time is attributed to the benchmark, not to other processes."""

    def __init__(self, server, *case):
        super().__init__(*case)
        self.server = server

    def once(self):
        with self.server as server:
            weighed = super().once()
            self.served = server.served()
        return weighed
