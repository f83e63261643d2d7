"""Random stores and points: zpoint extracts what xarray selects."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, TransposeCodec, ZstdCodec

import compare
import points
from points import Point

DTYPES = ("<f4", ">f4", "<f8", ">f8", "<i2", ">i2", "|u1", "|i1", "<u2", ">i4", "<u4", "<i8", "|b1")
CNAMES = ("zstd", "lz4", "lz4hc", "blosclz", "zlib")


@dataclass(frozen=True)
class Axes:
    """A random rectilinear grid."""

    lat: np.ndarray
    lon: np.ndarray
    is_globe: bool

    @classmethod
    def random(cls, random: np.random.Generator) -> Axes:
        """Rising or falling, regular, in 32 or 64 bits, of a region or of the globe."""
        dtype, is_globe = random.choice(["f4", "f8"]), bool(random.random() < 0.4)
        if is_globe:
            step = random.choice([10, 15, 22.5, 30])
            lat, lon = np.arange(-90, 90.1, step), np.arange(0, 360, step) + random.choice([0, -180, 5])
        else:
            step = random.choice([0.1, 0.25, 1.0, 0.3])
            counts = random.integers(2, 30, 2)
            lat = random.integers(-80, 60) + step * np.arange(counts[0])
            lon = random.integers(-170, 150) + step * np.arange(counts[1])
        lat = lat[::-1] if random.random() < 0.6 else lat
        return cls(lat.astype(dtype), lon.astype(dtype), is_globe)

    def sample_points(self, random: np.random.Generator) -> list[Point]:
        """Some points in it, those of cells among them."""
        count = int(random.integers(1, 9))
        lats = random.uniform(self.lat.min(), self.lat.max(), count)
        edges = (0, 359.9) if self.is_globe else (float(self.lon.min()), float(self.lon.max()))
        lons = random.uniform(*edges, count)
        cells = zip(random.choice(self.lat, 2), random.choice(self.lon, 2), strict=True)
        found = [Point(float(lat), float(lon)) for lat, lon in (*zip(lats, lons, strict=True), *cells)]
        return [found[number] for number in random.permutation(len(found))]


def codecs_of(random: np.random.Generator, zarr_format: int, dtype: np.dtype, rank: int) -> dict:
    """A chain of codecs, an order of memory."""
    cname, shuffle, blocksize = random.choice(CNAMES), int(random.integers(0, 3)), int(random.choice([0, 256, 2048]))
    if zarr_format == 2:
        blosc = numcodecs.Blosc(cname=cname, shuffle=shuffle, blocksize=blocksize)
        others = (None, numcodecs.Zlib(1), numcodecs.GZip(1), numcodecs.Zstd(), numcodecs.LZ4())
        compressor = blosc if random.random() < 0.5 else others[random.integers(len(others))]
        return {"compressors": compressor, "order": random.choice(["C", "F"])}
    shuffles = ("noshuffle", "shuffle", "bitshuffle")
    blosc = BloscCodec(cname=cname, shuffle=shuffles[shuffle], blocksize=blocksize, typesize=dtype.itemsize)
    others = ((), (GzipCodec(level=1),), (ZstdCodec(),))
    order = tuple(int(n) for n in random.permutation(rank))
    return {
        "compressors": (blosc,) if random.random() < 0.5 else others[random.integers(len(others))],
        "filters": (TransposeCodec(order=order),) if random.random() < 0.5 else (),
        "serializer": BytesCodec(endian=random.choice(["little", "big"])),
    }


def attributes_of(random: np.random.Generator, dtype: np.dtype) -> dict:
    """Packing and masks, now and then."""
    attributes = {}
    if dtype.kind in "iu" and dtype.itemsize < 8:
        if random.random() < 0.4:
            attributes |= {"scale_factor": float(random.choice([0.1, 0.01, 2.0]))}
        if random.random() < 0.4:
            attributes |= {"add_offset": float(random.choice([273.15, -1.0]))}
        if random.random() < 0.4:
            attributes |= {"missing_value": int(random.integers(0, 100))}
    return attributes


def add_random(
    random: np.random.Generator, store: Path, name: str, sizes: dict[str, int], dims: tuple[str, ...]
) -> None:
    """A variable of any type and layout; some of its chunks are absent."""
    group = zarr.open_group(store, mode="a")
    zarr_format, dtype = group.metadata.zarr_format, np.dtype(DTYPES[random.integers(len(DTYPES))])
    shape = tuple(sizes[dim] for dim in dims)
    chunks = tuple(int(random.integers(max(1, length // 4), length + 3)) for length in shape)
    options = codecs_of(random, zarr_format, dtype, len(shape))
    shards, attributes = None, attributes_of(random, dtype)
    if zarr_format == 3:
        shards = tuple(chunk * int(random.integers(1, 3)) for chunk in chunks) if random.random() < 0.5 else None
        options |= {"dimension_names": dims, "shards": shards, "dtype": dtype.newbyteorder("=")}
    else:
        attributes |= {"_ARRAY_DIMENSIONS": list(dims)}
        # A fill value masks truth values, of which xarray makes objects.
        options |= {"dtype": dtype} | ({"fill_value": None} if dtype.kind == "b" else {})
    array = group.create_array(name, shape=shape, chunks=chunks, attributes=attributes, **options)
    values = points.numbers(shape, dtype.str, int(random.integers(1000)))
    may_be_absent = array.fill_value is not None
    for index in compare.grid(shape, shards or chunks):
        if random.random() < 0.8 or not may_be_absent:
            array[compare.box(index, shards or chunks)] = values[compare.box(index, shards or chunks)]


def write_random(random: np.random.Generator, path: Path, axes: Axes) -> Path:
    """A store with a few variables, dimensions in any order."""
    times = int(random.integers(1, 14))
    dataset = points.grid(axes.lat, axes.lon, times=times).drop_vars("t2m")
    dataset = dataset.assign_coords(level=("level", np.array([1000, 850, 500], "i4")))
    points.write(dataset, path, int(random.integers(2, 4)), consolidated=False)
    sizes = {"time": times, "lat": len(axes.lat), "lon": len(axes.lon), "level": 3}
    for number in range(int(random.integers(1, 5))):
        dims = ["lat", "lon"]
        dims += ["time"] if random.random() < 0.8 or not number else []
        dims += ["level"] if random.random() < 0.4 else []
        add_random(random, path, f"v{number}", sizes, tuple(dims[at] for at in random.permutation(len(dims))))
    return path


@pytest.mark.filterwarnings("ignore:.*multiple fill values")
@pytest.mark.parametrize("seed", range(60))
def test_random_stores_and_points(seed: int, tmp_path: Path) -> None:
    """Any layout, type and point, with any way to decode, whole or in parts."""
    random = np.random.default_rng(seed)
    axes = Axes.random(random)
    store = write_random(random, tmp_path / "store.zarr", axes)
    asked = axes.sample_points(random)
    with points.opened(store) as dataset:
        if axes.is_globe:
            around = points.around_the_globe(dataset, "lon")
            chosen = points.at_points(around, points.turned(asked, float(axes.lon[0]))).load()
        else:
            chosen = points.at_points(dataset, asked).load()
    options = ("--partial-decode", random.choice(["auto", "on", "off"]), "-j", str(random.integers(1, 5)))
    table = points.extract(tmp_path, store, asked, *options)
    expected = points.rows(chosen, "time")
    points.assert_same_columns(points.columns(table), expected)
    if random.random() < 0.3:
        count = int(random.integers(2, 5))
        assert points.extract_parts(tmp_path, store, asked, count, *options).equals(table)
