"""Real ERA5 stores: a thinned one in the fixtures, and the other two layouts made from it.

    python tests/interop/real.py SOURCE      # write tests/fixtures/era5-uk-v2.zarr from the full store

SOURCE is 2 m temperature over the UK in March 2019, hourly on 0.25 degrees: the file era5-2mt-2019-03-uk.grib of the
xarray-data collection (github.com/pydata/xarray-data), written as Zarr by xarray. The fixture has every second latitude and
longitude of it, so that it stays below 1 MB; its values are those of the source.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numcodecs
import xarray as xr
import zarr.codecs

from ztools import FIXTURES

NAME = "era5-uk-v2.zarr"
FIXTURE = FIXTURES / NAME
LZ4 = numcodecs.Blosc(cname="lz4", clevel=5, shuffle=numcodecs.Blosc.SHUFFLE)
ZSTD = zarr.codecs.BloscCodec(cname="zstd", clevel=3, shuffle="shuffle", typesize=4)


def thinned(source: Path, target: Path) -> None:
    """Every second cell of the source, one day a chunk."""
    with xr.open_zarr(source) as dataset:
        thin = dataset.isel(latitude=slice(None, None, 2), longitude=slice(None, None, 2)).load()
    write(thin, target, 2, {"chunks": (24, 17, 25), "compressors": [LZ4]}, consolidated=True)


def packed(source: Path, target: Path) -> None:
    """As 16-bit integers, in chunks of all times, with zlib."""
    packing = {"dtype": "i2", "add_offset": 275.0, "scale_factor": 0.002, "_FillValue": -32768}
    with xr.open_zarr(source) as dataset:
        encoding = {"chunks": (744, 8, 8), "compressors": [numcodecs.Zlib(4)], **packing}
        write(dataset.load(), target, 2, encoding, consolidated=True)


def sharded(source: Path, target: Path) -> None:
    """Zarr v3, in one shard."""
    with xr.open_zarr(source) as dataset:
        encoding = {"chunks": (24, 17, 5), "shards": (744, 17, 25), "compressors": [ZSTD]}
        write(dataset.load(), target, 3, encoding, consolidated=False)


def write(dataset: xr.Dataset, target: Path, zarr_format: int, encoding: dict, *, consolidated: bool) -> None:
    """Write it, with this encoding of the temperature."""
    dataset = dataset.drop_encoding()
    dataset.to_zarr(target, zarr_format=zarr_format, encoding={"t2m": encoding}, consolidated=consolidated)


# How each store of the shared data is made from the fixture.
LAYOUTS = {"era5-uk-packed-v2.zarr": packed, "era5-uk-v3-sharded.zarr": sharded}

if __name__ == "__main__":
    thinned(Path(sys.argv[1]), FIXTURE)
