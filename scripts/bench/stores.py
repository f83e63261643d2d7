"""Makes the stores of the benchmarks with zarr-python, and reads results back with it. Runs in the peers' Python.

    stores.py features DIR N        four stores of N small arrays: v2 and v3, with and without consolidated metadata
    stores.py field DIR CHUNKS      one float32 array in 4 MiB chunks: in a v2 store, as a v3 store at "/", and sharded
    stores.py maps DIR STEPS        one float32 array (STEPS, 721, 1440), a chunk a step: a v2 store
    stores.py levels DIR STEPS      one float32 array (STEPS, 37, 721, 1440), a chunk a level, and again a chunk a step
    stores.py digest STORE...       a digest of the decoded values of each store
    stores.py same N PEER OURS...   whether zinspect's records list the same N arrays as the peer's lines

Every command prints JSON.
"""

import hashlib
import json
import os
import shutil
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import zarr
from numcodecs import Blosc
from zarr.codecs import BloscCodec

warnings.filterwarnings("ignore", message="Consolidated metadata")
SIDE = 1024
PER_SHARD = 10
MAP = (721, 1440)
LEVELS = 37


def features(directory, count):
    """Arrays like the features of a weather archive, each (48, 64) in two chunks of Blosc lz4."""
    names = [f"feature_{i:04}" for i in range(count)]
    values = np.random.default_rng(1).normal(280, 10, (48, 64)).astype("f4")
    for version in (2, 3):
        plain = directory / f"v{version}.zarr"
        group = zarr.create_group(plain, zarr_format=version)
        for name in names:
            array = create(group.store, version, name, values.shape, chunks=(24, 64), dims=("time", "cell"))
            array.attrs.update({"units": "K", "long_name": name.replace("_", " ")})
            array[:] = values
        consolidated = directory / f"v{version}-consolidated.zarr"
        shutil.copytree(plain, consolidated)
        zarr.consolidate_metadata(consolidated, zarr_format=version)
    return {"arrays": count}


def field(directory, chunks):
    """The array of `frames`, a frame a chunk, stored three times."""
    shape = (chunks, SIDE, SIDE)
    grid = {"chunks": (1, SIDE, SIDE), "dims": ("time", "latitude", "longitude")}
    array = create(zarr.create_group(directory / "v2.zarr", zarr_format=2).store, 2, "t2m", shape, **grid)
    for i, frame in enumerate(frames(chunks, SIDE, SIDE)):
        array[i] = frame
    create(directory / "v3.zarr", 3, None, shape, **grid)
    for i in range(chunks):  # the same Blosc frames, without a second copy of them
        to = directory / f"v3.zarr/c/{i}/0/0"
        to.parent.mkdir(parents=True)
        os.link(directory / f"v2.zarr/t2m/{i}.0.0", to)
    sharded = create(directory / "sharded.zarr", 3, None, shape, shards=(PER_SHARD, SIDE, SIDE), **grid)
    for i in range(0, chunks, PER_SHARD):
        sharded[i : i + PER_SHARD] = array[i : i + PER_SHARD]
    return {"decoded_bytes": array.nbytes}


def maps(directory, steps):
    """Hourly maps as an archive is delivered: one step a chunk."""
    grid = {"chunks": (1, *MAP), "dims": ("time", "latitude", "longitude")}
    store = zarr.create_group(directory / "v2.zarr", zarr_format=2).store
    array = create(store, 2, "t2m", (steps, *MAP), **grid)
    for i, frame in enumerate(frames(steps, *MAP)):
        array[i] = frame
    return {"decoded_bytes": array.nbytes}


def levels(directory, steps):
    """The same values in chunks of 4.2 MB and of 154 MB."""
    shape, dims = (steps, LEVELS, *MAP), ("time", "level", "latitude", "longitude")
    small, large = (
        create(zarr.create_group(directory / f"{name}.zarr", zarr_format=2).store, 2, "t", shape, chunks, dims)
        for name, chunks in (("small", (1, 1, *MAP)), ("large", (1, LEVELS, *MAP)))
    )
    every = frames(steps * LEVELS, *MAP)
    for i in range(steps):
        step = np.stack([next(every) for _ in range(LEVELS)])
        small[i], large[i] = step, step
    return {"decoded_bytes": small.nbytes}


def frames(count, rows, columns):
    """A smooth field that drifts, and noise, on a grid of 1/512: what a packed analysis looks like once it is float32."""
    lat = np.linspace(-np.pi / 2, np.pi / 2, rows)[:, None]
    lon = np.linspace(0, 2 * np.pi, columns)[None, :]
    rng = np.random.default_rng(2)
    for i in range(count):
        smooth = 255 + 45 * np.cos(lat) + 8 * np.sin(3 * lon + i / 9) * np.cos(5 * lat - i / 17)
        yield (np.round((smooth + rng.normal(0, 0.15, (rows, columns))) * 512) / 512).astype("f4")


def create(store, version, name, shape, chunks, dims, shards=None):
    """A float32 array in Blosc lz4; without a name it is the whole store."""
    if version == 2:
        blosc = Blosc(cname="lz4", clevel=5, shuffle=Blosc.SHUFFLE)
        dimensions = {"attributes": {"_ARRAY_DIMENSIONS": dims}}
    else:
        blosc = BloscCodec(cname="lz4", clevel=5, shuffle="shuffle", typesize=4)
        dimensions = {"dimension_names": dims}
    grid = {"shape": shape, "chunks": chunks, "shards": shards, "dtype": "f4"}
    return zarr.create_array(store, name=name, zarr_format=version, compressors=blosc, **grid, **dimensions)


def digest(stores):
    """SHA-1 over the values of every array in path order, step by step of the first dimension."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(map(str, stores), pool.map(digest_of, stores)))


def digest_of(store):
    node = zarr.open(store, mode="r")
    arrays = [node] if isinstance(node, zarr.Array) else [array for _, array in sorted(node.arrays())]
    sha = hashlib.sha1()
    for array in arrays:
        sha.update(repr((array.shape, array.dtype.str)).encode())
        step = (array.shards or array.chunks)[0]
        for i in range(0, array.shape[0], step):
            sha.update(np.ascontiguousarray(array[i : i + step]))
    return sha.hexdigest()


def same(count, peer, *ours):
    """A comparison of speed is worth nothing if the two saw different stores."""
    with open(peer) as lines:
        theirs = [json.loads(line)[:3] for line in lines]
    for path in ours:
        with open(path) as lines:
            arrays = [record for record in map(json.loads, lines) if record["type"] == "array"]
        mine = [[array["path"], array["shape"], array["chunk_shape"]] for array in arrays]
        if len(mine) != count or mine != theirs:
            sys.exit(f"{path}: {len(mine)} arrays, {peer}: {len(theirs)}, made: {count}; or they are described otherwise")
    return {"arrays": count}


def main():
    job, *args = sys.argv[1:]
    if job == "same":
        return same(int(args[0]), *args[1:])
    if job == "digest":
        return digest([Path(arg) for arg in args])
    directory, count = Path(args[0]), int(args[1])
    building = directory.with_name(directory.name + ".part")  # whole or not there: a kept directory is used again
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    made = {"features": features, "field": field, "maps": maps, "levels": levels}[job](building, count)
    building.rename(directory)
    return made


if __name__ == "__main__":
    print(json.dumps(main()))
