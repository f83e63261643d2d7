"""zpoint against xarray: every codec, shuffle, layout and order of memory, decoded in blocks and whole."""

from __future__ import annotations

import itertools
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, TransposeCodec, ZstdCodec

import points
from points import Point

LAT, LON, TIMES = np.arange(40, 57.0), np.arange(-10, 13.0), 18
SHAPE = (TIMES, len(LAT), len(LON))
CHUNKS = (7, 9, 23)
PARTIAL = ("auto", "on", "off")

# In the first and the last cells of chunks, too.
ASKED = [Point(40, -10), Point(56, 12), Point(48, 12), Point(49, -10), Point(44.2, 1.3), Point(44.2, 1.3)]

CNAMES = ("zstd", "lz4", "lz4hc", "blosclz", "zlib")
SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")
DTYPES = ("f4", "f8", "i2", "u1", "i4")


def smooth(dtype: str, seed: int = 0) -> np.ndarray:
    """Values that compress, and are different everywhere that matters."""
    steps = np.add.outer(np.arange(TIMES) * 3, np.add.outer(np.arange(len(LAT)) * 5, np.arange(len(LON))))
    noise = np.random.default_rng(seed).integers(0, 3, SHAPE)
    return (steps + noise).astype(dtype) if np.dtype(dtype).kind in "iu" else (280 + (steps + noise) / 8).astype(dtype)


def store_of(path: Path, zarr_format: int) -> Path:
    """Coordinates only."""
    dataset = points.grid(LAT, LON, times=TIMES).drop_vars("t2m")
    return points.write(dataset, path, zarr_format, consolidated=False)


def add(store: Path, name: str, values: np.ndarray, **options) -> None:
    """One more variable."""
    group = zarr.open_group(store, mode="a")
    dims = ("time", "lat", "lon")
    if group.metadata.zarr_format == 3:
        options = {"dimension_names": dims, **options}
    else:
        options = {"attributes": {"_ARRAY_DIMENSIONS": dims}, "fill_value": None, **options}
    array = group.create_array(name, **{"shape": values.shape, "chunks": CHUNKS, "dtype": values.dtype, **options})
    array[...] = values


@pytest.fixture(scope="module")
def v2(tmp_path_factory) -> Path:
    """Every compressor of Zarr v2, every Blosc, filters, both orders."""
    store = store_of(tmp_path_factory.mktemp("v2") / "v2.zarr", 2)
    compressors = {
        "none": None,
        "zlib": numcodecs.Zlib(level=1),
        "gzip": numcodecs.GZip(level=5),
        "zstd": numcodecs.Zstd(level=3),
        "lz4": numcodecs.LZ4(),
        "bz2": numcodecs.BZ2(),
    }
    for number, (name, compressor) in enumerate(compressors.items()):
        for order in "CF":
            dtype = (">f4", "<i2", ">f8")[number % 3]
            add(store, f"{name}_{order}", smooth(dtype, number), compressors=compressor, order=order)
    add(store, "one_chunk", smooth("f4"), chunks=SHAPE, compressors=numcodecs.Zlib())
    add(store, "large_chunk", smooth("f4"), chunks=(50, 30, 40), compressors=numcodecs.Zstd())
    add(store, "slashes", smooth("f4"), chunk_key_encoding={"name": "v2", "separator": "/"})
    blosc = itertools.product(CNAMES, (-1, 0, 1, 2), (0, 1024))
    for number, (cname, shuffle, blocksize) in enumerate(blosc):
        compressor = numcodecs.Blosc(cname=cname, clevel=4, shuffle=shuffle, blocksize=blocksize)
        options = {"compressors": compressor, "order": "CF"[number % 2]}
        add(store, f"{cname}_{shuffle}_{blocksize}".replace("-", "a"), smooth(DTYPES[number % 5], number), **options)
    return store


@pytest.fixture(scope="module")
def v3(tmp_path_factory) -> Path:
    """Codec chains of Zarr v3: byte orders, transposed, sharded, with checksums."""
    store = store_of(tmp_path_factory.mktemp("v3") / "v3.zarr", 3)
    chains = {
        "none": (),
        "gzip": (GzipCodec(level=3),),
        "zstd": (ZstdCodec(level=3),),
        "zstd_checked": (ZstdCodec(level=1, checksum=True),),
        "crc": (Crc32cCodec(),),
        "zstd_crc": (ZstdCodec(), Crc32cCodec()),
        "blosc_crc": (BloscCodec(cname="lz4", shuffle="shuffle", typesize=4), Crc32cCodec()),
        "blosc": (BloscCodec(cname="zstd", shuffle="bitshuffle", blocksize=1024, typesize=4),),
    }
    for number, ((name, chain), shards) in enumerate(itertools.product(chains.items(), (None, (14, 18, 46)))):
        order = list(itertools.permutations(range(3)))[number % 6]
        options = {
            "compressors": chain,
            "shards": shards,
            "serializer": BytesCodec(endian=("little", "big")[number % 2]),
            "filters": (TransposeCodec(order=order),) if number % 3 else (),
        }
        add(store, name + "_sharded" * (shards is not None), smooth("f4", number), **options)
    for number, (cname, shuffle, blocksize) in enumerate(itertools.product(CNAMES, SHUFFLES, (0, 1024))):
        values = smooth(DTYPES[number % 5], number)
        codec = BloscCodec(cname=cname, shuffle=shuffle, blocksize=blocksize, typesize=values.dtype.itemsize)
        shards = (7, 18, 23) if number % 2 else None
        add(store, f"{cname}_{shuffle}_{blocksize}", values, compressors=(codec,), shards=shards)
    return store


@pytest.mark.parametrize("partial", PARTIAL)
@pytest.mark.parametrize("select", [None, "5:16", "13"], ids=str)
def test_every_codec_of_v2(partial: str, select: str | None, v2: Path, tmp_path: Path) -> None:
    """Of all times, some, and one."""
    assert_selected(tmp_path, v2, partial, select)


@pytest.mark.parametrize("partial", PARTIAL)
@pytest.mark.parametrize("select", [None, "5:16", "13"], ids=str)
def test_every_codec_of_v3(partial: str, select: str | None, v3: Path, tmp_path: Path) -> None:
    """Of all times, some, and one."""
    assert_selected(tmp_path, v3, partial, select)


def assert_selected(directory: Path, store: Path, partial: str, select: str | None) -> None:
    """The same bits as xarray reads, at some times."""
    start, _, end = (select or "").partition(":")
    options = ("--partial-decode", partial, *(("--isel", f"time={select}") if select else ()))
    chosen_times = slice(int(start), int(end or int(start) + 1)) if select else slice(None)
    with points.opened(store) as dataset:
        chosen = points.at_points(dataset.isel(time=chosen_times), ASKED).load()
    table = points.extract(directory, store, ASKED, *options)
    points.assert_same_columns(points.columns(table), points.rows(chosen, "time"))


def test_every_cell_of_a_few_codecs(v2: Path, v3: Path, tmp_path: Path) -> None:
    """All points at once, for which whole chunks are decoded, and one worker more or less."""
    everywhere = [Point(float(lat), float(lon)) for lat in LAT for lon in LON]
    for store, pattern in ((v2, "zstd_*"), (v3, "blosc*")):
        names = ("--var", pattern, "-j", "3")
        with points.opened(store) as dataset:
            kept = [name for name in dataset.data_vars if name.startswith(pattern.rstrip("*"))]
            chosen = points.at_points(dataset[kept], everywhere).load()
        table = points.extract(tmp_path, store, everywhere, *names)
        points.assert_same_columns(points.columns(table), points.rows(chosen, "time"))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_little_memory_gives_the_same_rows(zarr_format: int, v2: Path, v3: Path, tmp_path: Path) -> None:
    """However small the share of it, or the run says that it is too small."""
    store = v2 if zarr_format == 2 else v3
    whole = points.extract(tmp_path, store, ASKED)
    assert points.extract(tmp_path, store, ASKED, "--max-memory", "8M", "-j", "2").equals(whole)


def test_filters_that_move_no_elements(tmp_path: Path) -> None:
    """A fixed scale is undone; arrays with a filter that is not known are left out, which is told."""
    store = store_of(tmp_path / "store.zarr", 2)
    scaled = numcodecs.FixedScaleOffset(offset=280, scale=8, dtype="<f4", astype="<i2")
    add(store, "scaled", smooth("<f4"), filters=[scaled], compressors=numcodecs.Zstd())
    points.assert_extracts(tmp_path, store, ASKED, "time")
    add(store, "checked", smooth("<i4"), filters=[numcodecs.JenkinsLookup3()], compressors=numcodecs.Zlib())
    output = tmp_path / "out.parquet"
    done = points.zpoint(store, *points.arguments(ASKED), "-o", output)
    assert list(points.columns(points.pq.read_table(output))) == ["time", "scaled"]
    assert "jenkins_lookup3" in done.stderr


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_chunks_that_are_missing_among_others(zarr_format: int, tmp_path: Path) -> None:
    """Plain arrays and shards get the fill value."""
    store = store_of(tmp_path / "store.zarr", zarr_format)
    variants = {"plain": {}} if zarr_format == 2 else {"plain": {}, "sharded": {"shards": (14, 18, 46)}}
    for name, options in variants.items():
        values = smooth("f4")
        values[:7, :9] = -1
        values[7:14, 9:] = -1
        # zarr-python does not store chunks of nothing but the fill value.
        add(store, name, values, fill_value=np.float32(-1), **options)
    output = tmp_path / "out.parquet"
    done = points.zpoint(store, *points.arguments(ASKED), "-o", output)
    assert done.summary["chunks_missing"] > 0
    points.assert_extracts(tmp_path, store, ASKED, "time")


def test_a_damaged_chunk_fails_alone(v2: Path, tmp_path: Path) -> None:
    """The run ends with 3, and rows of other chunks are whole."""
    store = store_of(tmp_path / "store.zarr", 2)
    add(store, "v", smooth("f4"), compressors=numcodecs.Blosc())
    (store / "v" / "1.0.0").write_bytes(b"not a frame at all")
    output = tmp_path / "out.parquet"
    done = points.run("zpoint", store, *points.arguments([Point(40, -10)]), "-o", output)
    done.assert_ends_well_formed()
    assert done.code in (3, 5), done.stdout
    assert "1.0.0" in done.stdout
    if output.exists():
        with xr.open_zarr(store, chunks=None, consolidated=False) as dataset:
            first = dataset["v"][:7, 0, 0].values
        points.assert_same_bits(points.columns(points.pq.read_table(output))["v"][:7], first, "v")
