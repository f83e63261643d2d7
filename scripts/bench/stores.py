"""Creates the stores of the benchmarks with zarr-python and reads results back. Runs in the peers' Python.

    stores.py features DIR N        four stores of N small arrays: v2 and v3, with and without consolidated metadata
    stores.py field DIR CHUNKS      one float32 array in 4 MiB chunks: in a v2 store, as a v3 store at "/", and sharded
    stores.py maps DIR STEPS        one float32 array (STEPS, 721, 1440), one chunk per step: a v2 store
    stores.py levels DIR STEPS      one float32 array (STEPS, 37, 721, 1440), one chunk per level, and again one chunk per step
    stores.py series DIR STEPS      hourly maps of two variables with CF coordinates: lz4 and zstd, v2 and v3, consolidated
    stores.py wide DIR N            one v2 store of N small arrays (96, 16, 16) with CF coordinates, consolidated
    stores.py fetch-small DIR N     store.zarr: one array of N chunks of 100 KB that cannot be compressed, consolidated, as the next
    stores.py fetch-large DIR N     the same with chunks of 128 MiB
    stores.py fetch-grid DIR N      store.zarr: N variables of 500 chunks each, with CF coordinates
    stores.py fetch-many DIR N      44 stores of the metadata of N variables each, with CF coordinates
    stores.py small-chunks DIR N    one v2 store: a float32 array of N chunks of 1 MiB, which are links to 256 files
    stores.py batches DIR N         8 stores of N maps (361, 720) each along file_id, of which every store shares 2 with the one before it
    stores.py batches-many DIR N    44 stores of N small variables each, with a file_id that follows from store to store
    stores.py keys DIR N            one v2 store: an array of N uncompressed chunks of one element, all in one directory
    stores.py points FILE N         a CSV file of N random points (id, lat, lon)
    stores.py digest STORE...       a digest of the decoded values of each store
    stores.py tables FILE...        shape and digest of the float32 values of each table: .npy, or .csv behind its `time`
    stores.py same N PEER OURS...   whether zinspect's records list the same N arrays as the peer's lines

Every command prints JSON.
"""

import csv
import hashlib
import itertools
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
LZ4, ZSTD = {"cname": "lz4", "clevel": 5}, {"cname": "zstd", "clevel": 3}


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
    """The array of `frames`, one frame per chunk, stored three times."""
    shape = (chunks, SIDE, SIDE)
    grid = {"chunks": (1, SIDE, SIDE), "dims": ("time", "latitude", "longitude")}
    array = create(zarr.create_group(directory / "v2.zarr", zarr_format=2).store, 2, "t2m", shape, **grid)
    for i, frame in enumerate(frames(chunks, SIDE, SIDE)):
        array[i] = frame
    create(directory / "v3.zarr", 3, None, shape, **grid)
    for i in range(chunks):  # links to the same Blosc frames instead of copies
        to = directory / f"v3.zarr/c/{i}/0/0"
        to.parent.mkdir(parents=True)
        os.link(directory / f"v2.zarr/t2m/{i}.0.0", to)
    sharded = create(directory / "sharded.zarr", 3, None, shape, shards=(PER_SHARD, SIDE, SIDE), **grid)
    for i in range(0, chunks, PER_SHARD):
        sharded[i : i + PER_SHARD] = array[i : i + PER_SHARD]
    return {"decoded_bytes": array.nbytes}


def maps(directory, steps):
    """Hourly maps as delivered by an archive: one step per chunk."""
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


def series(directory, steps):
    """Data as delivered by an archive, in two codecs; the v3 stores link to the same Blosc frames."""
    names, shape = ("msl", "t2m"), (steps, *MAP)
    grid = {"chunks": (1, *MAP), "dims": ("time", "latitude", "longitude"), "fill_value": np.nan}
    axes = np.linspace(90, -90, MAP[0]), np.arange(MAP[1]) * 0.25
    arrays = {}
    for codec, version in itertools.product((LZ4, ZSTD), (2, 3)):
        group = zarr.create_group(directory / f"{codec['cname']}-v{version}.zarr", zarr_format=version)
        coordinates(group.store, version, steps, *axes)
        for name in names:
            arrays[codec["cname"], version, name] = create(group.store, version, name, shape, codec=codec, **grid)
        zarr.consolidate_metadata(group.store, zarr_format=version)
    for i, frame in enumerate(frames(len(names) * steps, *MAP)):
        step, name = i // len(names), names[i % len(names)]
        for cname in ("lz4", "zstd"):
            arrays[cname, 2, name][step] = frame
            to = directory / f"{cname}-v3.zarr/{name}/c/{step}/0/0"
            to.parent.mkdir(parents=True)
            os.link(directory / f"{cname}-v2.zarr/{name}/{step}.0.0", to)
    return {"decoded_bytes": len(names) * arrays["lz4", 2, names[0]].nbytes}


def wide(directory, count):
    """Like the features of a weather archive around a point; no two arrays hold the same values."""
    grid = {"chunks": (24, 16, 16), "dims": ("time", "latitude", "longitude"), "fill_value": np.nan}
    values = np.random.default_rng(1).normal(280, 10, (96, 16, 16)).astype("f4")
    store = zarr.create_group(directory / "v2.zarr", zarr_format=2).store
    coordinates(store, 2, len(values), np.linspace(60, 45, 16), np.linspace(0, 15, 16))
    for i in range(count):
        create(store, 2, f"feature_{i:04}", values.shape, **grid)[:] = values + np.float32(i)
    zarr.consolidate_metadata(store, zarr_format=2)
    return {"arrays": count}


def blocks(directory, count):
    """A regional archive: chunks of 255 KiB, each a single Blosc block."""
    return regional(directory / "v2.zarr", count, steps=24, side=(204, 320), chunks=(1, 204, 320))


def regional(path, count, steps, side, chunks):
    """Variables on a regional grid of a quarter degree."""
    grid = {"chunks": chunks, "dims": ("time", "latitude", "longitude"), "fill_value": np.nan}
    store = zarr.create_group(path, zarr_format=2).store
    rows, columns = (np.arange(length) * 0.25 for length in side)
    coordinates(store, 2, steps, 70 - rows, columns - 20)
    every = frames(count * steps, *side)
    for i in range(count):
        create(store, 2, f"feature_{i:03}", (steps, *side), **grid)[:] = np.stack([next(every) for _ in range(steps)])
    zarr.consolidate_metadata(store, zarr_format=2)
    return {"arrays": count}


def fetch_small(directory, count):
    return noise(directory / "store.zarr", 100_000, count)


def fetch_large(directory, count):
    return noise(directory / "store.zarr", 128 << 20, count)


def noise(path, chunk, count):
    """One array of bytes that no codec makes smaller."""
    store = zarr.create_group(path, zarr_format=2).store
    array = create(store, 2, "noise", (count * chunk,), (chunk,), ("sample",), dtype="u1", fill_value=0)
    rng = np.random.default_rng(4)
    for start in range(0, count * chunk, chunk):
        array[start : start + chunk] = rng.integers(0, 256, chunk, dtype="u1")
    zarr.consolidate_metadata(store, zarr_format=2)
    return {"stored_bytes": count * chunk}


def fetch_grid(directory, count):
    """A point touches 10 of the 500 chunks of a variable."""
    return regional(directory / "store.zarr", count, steps=240, side=(100, 200), chunks=(24, 20, 20))


def fetch_many(directory, count, stores=44):
    """The same documents for all stores: only reading them is measured."""
    first = directory / "0.zarr"
    store = zarr.create_group(first, zarr_format=2).store
    coordinates(store, 2, 96, np.linspace(60, 45, 16), np.linspace(0, 15, 16))
    grid = {"chunks": (24, 16, 16), "dims": ("time", "latitude", "longitude"), "fill_value": np.nan}
    for i in range(count):
        create(store, 2, f"feature_{i:04}", (96, 16, 16), **grid)
    zarr.consolidate_metadata(store, zarr_format=2)
    for path in first.glob("feature_*"):  # readers take their metadata from .zmetadata
        shutil.rmtree(path)
    for number in range(1, stores):
        shutil.copytree(first, directory / f"{number}.zarr", copy_function=os.link)
    return {"stores": stores, "arrays": count}


def small_chunks(directory, count, different=256):
    """As many chunks as a large archive has, in little memory: what is measured is opening, reading and decoding them."""
    side = (256, 1024)
    store = zarr.create_group(directory / "v2.zarr", zarr_format=2).store
    grid = {"chunks": (1, *side), "dims": ("time", "latitude", "longitude"), "fill_value": np.nan}
    array = create(store, 2, "t2m", (count, *side), codec=ZSTD, **grid)
    for i, frame in enumerate(frames(min(count, different), *side)):
        array[i] = frame
    for i in range(different, count):
        os.link(directory / f"v2.zarr/t2m/{i % different}.0.0", directory / f"v2.zarr/t2m/{i}.0.0")
    return {"decoded_bytes": array.nbytes}


def keys(directory, count):
    """Links to a few files: only listing them is measured."""
    store = zarr.create_group(directory / "v2.zarr", zarr_format=2).store
    one = {"chunks": (1, 1), "dims": ("time", "cell"), "dtype": "u1", "fill_value": 0}
    side = 1000
    create(store, 2, "t", (-(-count // side), side), codec=None, **one)
    for i in range(count):
        path = directory / f"v2.zarr/t/{i // side}.{i % side}"
        if i % 30_000 == 0:  # file systems have a limit for the links to a file
            first = path
            first.write_bytes(b"1")
        else:
            os.link(first, path)
    return {"keys": count}


def batches(directory, count, stores=8):
    """Maps that follow from their file_id: one per chunk, and, in `b`, three per chunk."""
    side, start = (361, 720), 0
    maps = list(frames(16, *side))
    for number in range(stores):
        store = zarr.create_group(directory / f"{number}.zarr", zarr_format=2).store
        ids = np.arange(start, start + count)
        start += count - 2
        file_id(store, ids)
        for name, length in (("a", 1), ("b", 3)):
            grid = {"chunks": (length, *side), "dims": ("file_id", "latitude", "longitude"), "fill_value": np.nan}
            array = create(store, 2, name, (count, *side), **grid)
            array[:] = np.stack([maps[i % len(maps)] + np.float32(i) for i in ids])
        zarr.consolidate_metadata(store, zarr_format=2)
    return {"decoded_bytes": 2 * stores * array.nbytes}


def batches_many(directory, count, stores=44):
    """Only metadata and the coordinate are there: no value occurs twice."""
    for number in range(stores):
        path = directory / f"{number}.zarr"
        if number:
            shutil.copytree(directory / "0.zarr", path, copy_function=os.link)
            shutil.rmtree(path / "file_id")
        store = zarr.open_group(path, zarr_format=2).store
        file_id(store, np.arange(4 * number, 4 * number + 4))
        if not number:
            grid = {"chunks": (1, 16, 16), "dims": ("file_id", "latitude", "longitude"), "fill_value": np.nan}
            for i in range(count):
                create(store, 2, f"feature_{i:04}", (4, 16, 16), **grid)
            zarr.consolidate_metadata(store, zarr_format=2)
    return {"stores": stores, "arrays": count}


def file_id(store, ids):
    one_chunk = {"shape": ids.shape, "chunks": ids.shape, "dims": ("file_id",), "dtype": "i8", "fill_value": None}
    create(store, 2, "file_id", **one_chunk)[:] = ids


def coordinates(store, version, steps, latitudes, longitudes):
    """CF coordinates, one chunk each. No fill value: xarray treats that of version 2 as missing, and 0 is a longitude."""
    hours = {"units": "hours since 2019-01-01", "calendar": "proleptic_gregorian"}
    for name, values, attributes in (
        ("latitude", latitudes, {"units": "degrees_north"}),
        ("longitude", longitudes, {"units": "degrees_east"}),
        ("time", np.arange(steps), hours),
    ):
        one_chunk = {"shape": values.shape, "chunks": values.shape, "dims": (name,), "dtype": values.dtype}
        array = create(store, version, name, fill_value=None, **one_chunk)
        array[:] = values
        array.attrs.update({"standard_name": name, **attributes})


def points(file, count):
    """Points that are clearly nearest to one cell and not at the edge of the maps, where tools may differ."""
    rng = np.random.default_rng(3)
    rows, columns = (rng.integers(1, side - 1, count) for side in MAP)
    beside = rng.uniform(-0.12, 0.12, (2, count))
    with open(file, "w", newline="") as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow(("id", "lat", "lon"))
        for i, (lat, lon) in enumerate(zip(90 - rows * 0.25 + beside[0], columns * 0.25 + beside[1])):
            table.writerow((i, f"{lat:.4f}", f"{lon:.4f}"))
    return {"points": count}


def frames(count, rows, columns):
    """A smooth, drifting field with noise, quantized to 1/512, like a packed analysis converted to float32."""
    lat = np.linspace(-np.pi / 2, np.pi / 2, rows)[:, None]
    lon = np.linspace(0, 2 * np.pi, columns)[None, :]
    rng = np.random.default_rng(2)
    for i in range(count):
        smooth = 255 + 45 * np.cos(lat) + 8 * np.sin(3 * lon + i / 9) * np.cos(5 * lat - i / 17)
        yield (np.round((smooth + rng.normal(0, 0.15, (rows, columns))) * 512) / 512).astype("f4")


def create(store, version, name, shape, chunks, dims, shards=None, codec=LZ4, dtype="f4", **more):
    """An array, by default float32 in Blosc lz4; without a name it is the root of the store."""
    if codec is None:
        blosc, dimensions = None, {"attributes": {"_ARRAY_DIMENSIONS": dims}}
    elif version == 2:
        blosc = Blosc(**codec, shuffle=Blosc.SHUFFLE)
        dimensions = {"attributes": {"_ARRAY_DIMENSIONS": dims}}
    else:
        blosc = BloscCodec(**codec, shuffle="shuffle", typesize=np.dtype(dtype).itemsize)
        dimensions = {"dimension_names": dims}
    grid = {"shape": shape, "chunks": chunks, "shards": shards, "dtype": dtype, **more}
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


def tables(files):
    """Shape and digest of tables (rows by features), to compare them bitwise. In CSV files the keys come first, `time` last."""
    return {str(file): table_of(file) for file in files}


def table_of(file):
    if file.suffix == ".csv":
        with open(file, newline="") as lines:
            rows = csv.reader(lines)
            keys = next(rows).index("time") + 1
            values = np.array([[value or "nan" for value in row[keys:]] for row in rows]).astype("f4")
    else:
        values = np.load(file)
    return [list(values.shape), values.dtype.str, hashlib.sha1(np.ascontiguousarray(values)).hexdigest()]


def same(count, peer, *ours):
    """Checks that both programs read the same arrays; otherwise comparing their speed is meaningless."""
    with open(peer) as lines:
        theirs = [json.loads(line)[:3] for line in lines]
    for path in ours:
        with open(path) as lines:
            arrays = [record for record in map(json.loads, lines) if record["type"] == "array"]
        mine = [[array["path"], array["shape"], array["chunk_shape"]] for array in arrays]
        if len(mine) != count or mine != theirs:
            sys.exit(f"{path}: {len(mine)} arrays, {peer}: {len(theirs)}, made: {count}; or they are described otherwise")
    return {"arrays": count}


FETCHED = fetch_small, fetch_large, fetch_grid, fetch_many
MAKERS = {maker.__name__.replace("_", "-"): maker for maker in (features, field, maps, levels, series, wide, blocks, small_chunks, keys, batches, batches_many, *FETCHED)}


def main():
    job, *args = sys.argv[1:]
    if job == "same":
        return same(int(args[0]), *args[1:])
    if job == "digest":
        return digest([Path(arg) for arg in args])
    if job == "tables":
        return tables([Path(arg) for arg in args])
    if job == "points":
        return points(args[0], int(args[1]))
    directory, count = Path(args[0]), int(args[1])
    building = directory.with_name(directory.name + ".part")  # renamed when complete: a kept directory is reused
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    made = MAKERS[job](building, count)
    building.rename(directory)
    return made


if __name__ == "__main__":
    print(json.dumps(main()))
