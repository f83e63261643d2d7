#!/usr/bin/env python3
"""An object store on the loopback interface that counts what it sends: read-only S3, path-style, without signatures.

    object_server.py ROOT [--port N] [--latency MS] [--etags FILE]

ROOT/BUCKET/KEY is the object /BUCKET/KEY. GET and HEAD, with ranges; GET /BUCKET?prefix= lists, with or without a
delimiter, all in one page; HEAD /BUCKET asks whether it is there. ETags are those of FILE ("ETAG /BUCKET/KEY"), else time and
size. Prints the port once it listens, and when its standard input ends, one line of JSON:

    requests, bytes (of the bodies, listings included), in_flight (the most at one time), missing (answered with 404)
"""

import argparse
import json
import os
import re
import sys
import threading
import time
from collections import Counter
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("root", type=Path)
    flags.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: any free port)")
    flags.add_argument("--latency", type=float, default=0, help="milliseconds before each answer (default 0)")
    flags.add_argument("--etags", type=Path, help="file with the ETags of the objects")
    args = flags.parse_args()
    server = Server(args.port, args.root.resolve(), args.latency / 1e3, read_etags(args.etags))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    print(json.dumps(server.counted()), flush=True)
    os._exit(0)  # clients may hold connections open


class Server(ThreadingHTTPServer):
    request_queue_size = 1024

    def __init__(self, port, root, latency, etags):
        super().__init__(("127.0.0.1", port), Handler)
        self.root, self.latency, self.etags = root, latency, etags
        self.lock, self.counts, self.now = threading.Lock(), Counter(), 0

    def enter(self):
        with self.lock:
            self.now += 1
            self.counts["requests"] += 1
            self.counts["in_flight"] = max(self.counts["in_flight"], self.now)

    def leave(self):
        with self.lock:
            self.now -= 1

    def count(self, name, number):
        with self.lock:
            self.counts[name] += number

    def etag(self, path, status):
        given = self.etags.get(f"/{path.relative_to(self.root).as_posix()}")
        return given or f"{status.st_mtime_ns:x}-{status.st_size:x}"

    def counted(self):
        return {name: self.counts[name] for name in ("requests", "bytes", "in_flight", "missing")}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        self.answer()

    def do_HEAD(self):
        self.answer()

    def answer(self):
        self.server.enter()
        try:
            time.sleep(self.server.latency)
            url = urlsplit(self.path)
            path, query = unquote(url.path).strip("/"), parse_qs(url.query, keep_blank_values=True)
            if ".." in path.split("/"):
                self.refuse(403, "AccessDenied")
            elif query.keys() & {"list-type", "prefix"}:  # version 2 or 1
                self.text(200, listing(self.server, path, query))
            elif self.command == "HEAD" and "/" not in path and (self.server.root / path).is_dir():
                self.text(200, "")
            else:
                self.object(self.server.root / path)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            self.server.leave()

    def object(self, path):
        try:
            file = open(path, "rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            self.server.count("missing", 1)
            return self.refuse(404, "NoSuchKey")
        with file:
            status = os.fstat(file.fileno())
            asked = self.headers.get("Range")
            start, stop = wanted(asked, status.st_size) if asked else (0, status.st_size)
            if asked and start >= stop:
                return self.refuse(416, "InvalidRange")
            headers = {"ETag": f'"{self.server.etag(path, status)}"', "Accept-Ranges": "bytes"}
            headers["Last-Modified"] = formatdate(status.st_mtime, usegmt=True)
            if asked:
                headers["Content-Range"] = f"bytes {start}-{stop - 1}/{status.st_size}"
            self.head(206 if asked else 200, stop - start, "application/octet-stream", headers)
            if self.command == "GET":
                self.send(file, start, stop)

    def send(self, file, start, stop):
        while start < stop:
            sent = os.sendfile(self.connection.fileno(), file.fileno(), start, stop - start)
            if sent == 0:
                raise BrokenPipeError
            self.server.count("bytes", sent)
            start += sent

    def refuse(self, status, code):
        self.text(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>")

    def text(self, status, xml):
        body = f'<?xml version="1.0" encoding="UTF-8"?>{xml}'.encode()
        self.head(status, len(body), "application/xml", {})
        if self.command == "GET":
            self.server.count("bytes", len(body))
            self.wfile.write(body)

    def head(self, status, length, kind, headers):
        self.send_response(status)
        for name, value in {"Content-Length": length, "Content-Type": kind, **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()

    def log_message(self, *_):
        pass


def wanted(header, size):
    """Start and end of `bytes=A-B`, `bytes=A-` or `bytes=-N`; the whole object if the range is invalid."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header)
    first, last = match.groups() if match else ("0", "")
    if not first:
        return max(0, size - int(last or 0)), size
    return int(first), min(size, int(last) + 1) if last else size


def read_etags(path):
    lines = path.read_text().splitlines() if path else []
    return {key: etag for etag, _, key in (line.partition(" ") for line in lines)}


def listing(server, bucket, query):
    """ListObjectsV2, limited to the fields that clients read."""
    bucket = server.root / bucket
    prefix, delimiter = (query.get(name, [""])[0] for name in ("prefix", "delimiter"))
    keys, folders = [], set()
    # Only what is below the folder of the prefix is walked, and only one level of it where folders stand for the rest: a list
    # takes as long as its answer, not as the bucket.
    base = bucket / prefix.rpartition("/")[0]
    inside = base.is_dir() and ".." not in prefix.split("/")
    found = (base.iterdir() if delimiter == "/" else base.rglob("*")) if inside else ()
    for path in sorted(found):
        key = path.relative_to(bucket).as_posix()
        if path.is_dir():
            key += "/"
            if delimiter != "/":
                continue
        if not key.startswith(prefix):
            continue
        below, cut, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
        if cut:
            folders.add(prefix + below + delimiter)
        else:
            keys.append((key, path, path.stat()))
    contents = "".join(
        f"<Contents><Key>{escape(key)}</Key><Size>{status.st_size}</Size>"
        f"<LastModified>{time.strftime('%Y-%m-%dT%H:%M:%S.000Z', time.gmtime(status.st_mtime))}</LastModified>"
        f"<ETag>&quot;{server.etag(path, status)}&quot;</ETag></Contents>"
        for key, path, status in keys
    )
    common = "".join(f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in sorted(folders))
    count = f"<KeyCount>{len(keys) + len(folders)}</KeyCount><IsTruncated>false</IsTruncated>"
    head = f"<Name>{bucket.name}</Name><Prefix>{escape(prefix)}</Prefix><MaxKeys>1000000</MaxKeys>"
    return f"<ListBucketResult>{head}{count}{contents}{common}</ListBucketResult>"


if __name__ == "__main__":
    main()
