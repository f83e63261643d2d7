"""zfetch: xarray opens what was fetched, and finds the values, coordinates and attributes of the source there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.codecs import BloscCodec, BytesCodec, ShardingCodec

from ztools import XARRAY_STORES, run

TIMES, LEVELS, ROWS, COLUMNS = 50, 3, 37, 72
STORES = ("v2", "v2-plain", "v3", "v3-plain", "v3-sharded")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory):
    """A function from a layout to a store: packed values, bounds, text, a scalar and a mask among the arrays."""
    made = tmp_path_factory.mktemp("source")
    rng = np.random.default_rng(0)
    grid = (TIMES, ROWS, COLUMNS)
    lat = np.linspace(90, -90, ROWS).astype("f4")
    dataset = xr.Dataset(
        {
            "t2m": (("time", "lat", "lon"), rng.normal(280, 9, grid).astype("f4"), {"units": "K", "grid_mapping": "crs"}),
            "u": (("time", "level", "lat", "lon"), rng.normal(size=(TIMES, LEVELS, ROWS, COLUMNS)).astype("f4")),
            "packed": (("time", "lat", "lon"), rng.normal(280, 9, grid)),
            "mask": (("lat", "lon"), rng.random((ROWS, COLUMNS)) > 0.5),
            "lat_bnds": (("lat", "nv"), np.stack([lat - 2.5, lat + 2.5], -1)),
        },
        coords={
            "time": np.datetime64("2019-03-01", "ns") + np.arange(TIMES).astype("m8[h]"),
            "lat": ("lat", lat, {"units": "degrees_north", "bounds": "lat_bnds"}),
            "lon": ("lon", (np.arange(COLUMNS) * 5).astype("f4"), {"units": "degrees_east"}),
            "level": [1000, 850, 500],
            "crs": ((), 7, {"grid_mapping_name": "latitude_longitude"}),
        },
        attrs={"title": "a source"},
    )
    chunks = {"t2m": (12, 10, 15), "u": (12, 1, 10, 15), "packed": (24, 10, 15), "mask": (ROWS, COLUMNS)}
    packing = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -32768}

    def make(layout: str) -> Path:
        path = made / f"{layout}.zarr"
        if not path.exists():
            encoding = {name: {"chunks": shape} for name, shape in chunks.items()}
            encoding["packed"] |= packing
            if layout == "v3-sharded":
                encoding["t2m"]["shards"] = (24, 20, 30)
            version, plain = int(layout[1]), layout.endswith("-plain")
            dataset.to_zarr(path, zarr_format=version, consolidated=not plain, encoding=encoding)
        return path

    return make


def assert_part_of(part: Path, whole: Path) -> xr.Dataset:
    """Every variable of `part` has the values of `whole` at the same coordinates; the dataset of the part."""
    found, expected = xr.open_zarr(part), xr.open_zarr(whole)
    indexers = {}
    for name, index in found.indexes.items():
        indexers[name] = expected.indexes[name].get_indexer(index)
        assert (indexers[name] >= 0).all(), name
    expected = expected.isel(indexers)
    for name, variable in found.variables.items():
        np.testing.assert_array_equal(variable.values, expected[name].values, err_msg=name)
        assert (variable.dims, variable.dtype) == (expected[name].dims, expected[name].dtype), name
        assert variable.attrs == expected[name].attrs, name
    assert found.attrs == expected.attrs
    assert zarr.open_group(part, mode="r").metadata.consolidated_metadata is not None
    return found


SELECTIONS = {
    "everything": [],
    "a variable": ["--var", "t2m"],
    "a day": ["--sel", "time=2019-03-02"],
    "an index": ["--isel", "time=-3:-1", "--var", "u"],
    "a level": ["--sel", "level=850"],
    "a box": ["--bbox=-12,35,30,60"],
    "a box over the seam of the chunks": ["--bbox=70,-5,80,5", "--var", "packed"],
    "a point": ["--lat=51.5", "--lon=-0.1"],
    "all of it": ["--var", "packed", "--sel", "time=2019-03-01T05:2019-03-01T07", "--bbox=100,35,130,60"],
}


@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("layout", STORES)
def test_a_part_has_the_values_of_the_whole(source, layout: str, selection: str, tmp_path: Path) -> None:
    whole, part = source(layout), tmp_path / "part.zarr"
    flags = SELECTIONS[selection]
    done = run("zfetch", whole, "--to", part, *flags)
    done.assert_done()
    found = assert_part_of(part, whole)
    (fetched,) = done.of_type("fetched")
    assert Path(fetched["path"]) == part
    asked = xr.open_zarr(whole)
    if "--var" in flags:
        assert set(found.data_vars) == {flags[flags.index("--var") + 1]} | set(found.data_vars) & {"lat_bnds"}
    match selection:
        case "a day":
            asked = asked.sel(time="2019-03-02")
        case "an index":
            asked = asked.isel(time=slice(-3, -1))
        case "a level":
            asked = asked.sel(level=[850])
        case "a point":
            asked = asked.sel(lat=[51.5], lon=[0.0], method="nearest")
        case "all of it":
            asked = asked.sel(time=slice("2019-03-01T05", "2019-03-01T07"), lat=slice(60, 35), lon=slice(100, 130))
        case "a box" | "a box over the seam of the chunks":
            west, south, east, north = map(float, flags[0].split("=")[1].split(","))
            inside = (asked.lon - west) % 360 <= (east - west) % 360
            asked = asked.isel(lon=np.flatnonzero(inside.values)).sel(lat=slice(north, south))
    for name in found.indexes:
        assert set(asked.indexes[name]) <= set(found.indexes[name]), name
    # Chunks are at most 24 by 10 by 15 (with shards, 24 by 20 by 30): nothing far away comes along.
    row, column = (20, 30) if layout == "v3-sharded" else (10, 15)
    for name, chunk in {"time": 24, "lat": row, "lon": column, "level": 1}.items():
        if name in found.sizes:
            wanted = asked.sizes[name]
            assert found.sizes[name] <= wanted + 2 * (chunk - 1), (name, found.sizes, asked.sizes)


@pytest.mark.parametrize("name", XARRAY_STORES)
def test_real_stores(find_store, name: str, tmp_path: Path) -> None:
    whole, part = find_store(name), tmp_path / "part.zarr"
    time = next(name for name in xr.open_zarr(whole).indexes if "time" in name)
    run("zfetch", whole, "--to", part, "--isel", f"{time}=1:2").assert_done()
    assert_part_of(part, whole)


def test_a_box_over_the_meridian_is_in_order_from_west_to_east(source, tmp_path: Path) -> None:
    part = tmp_path / "part.zarr"
    run("zfetch", source("v2"), "--to", part, "--var", "t2m", "--bbox=-12,35,30,60").assert_done()
    lon = xr.open_zarr(part).lon.values
    steps = np.diff(lon) % 360
    assert (steps == 5).all() and lon[0] > 180 > lon[-1]


MIRRORED = {
    "a day": (["--sel", "time=2019-03-02"], {"time": slice(24, 48)}),
    "a level": (["--sel", "level=850", "--var", "u"], {"level": [1]}),
    "a box": (["--bbox=100,35,130,60"], {"lat": slice(6, 12), "lon": slice(20, 27)}),
    "two points far apart": (["--lat=80", "--lon=10", "--lat=-80", "--lon=300"], {"lat": [2, 34], "lon": [2, 60]}),
}


@pytest.mark.parametrize("selection", MIRRORED)
@pytest.mark.parametrize("layout", STORES)
def test_a_mirror_has_the_selection_in_its_place(source, layout: str, selection: str, tmp_path: Path) -> None:
    whole, part = source(layout), tmp_path / "part.zarr"
    flags, indexers = MIRRORED[selection]
    run("zfetch", whole, "--to", part, "--layout", "mirror", *flags).assert_done()
    found, expected = xr.open_zarr(part), xr.open_zarr(whole)
    assert found.attrs == expected.attrs and found.sizes == {k: expected.sizes[k] for k in found.sizes}
    for name, coordinate in found.coords.items():
        np.testing.assert_array_equal(coordinate.values, expected[name].values, err_msg=name)
    for name in found.data_vars:
        own = {dim: index for dim, index in indexers.items() if dim in found[name].dims}
        if selection.startswith("two points") and {"lat", "lon"} <= set(own):
            # The points, and not all combinations of their coordinates.
            own = {dim: xr.DataArray(index, dims="point") for dim, index in own.items()}
        np.testing.assert_array_equal(found[name].isel(own).values, expected[name].isel(own).values, err_msg=name)
    name = "t2m" if "t2m" in found else "u"
    files = {path.relative_to(whole): path for path in (whole / name).rglob("*") if path.is_file()}
    chunks = {key for key in files if key.name[0] not in ".z"}
    ours = {key for key in chunks if (part / key).exists()}
    assert 0 < len(ours) < len(chunks)
    assert all((part / key).read_bytes() == (whole / key).read_bytes() for key in ours)


def test_our_readers_refuse_what_was_not_fetched(source, tmp_path: Path) -> None:
    whole, part = source("v2"), tmp_path / "part.zarr"
    run("zfetch", whole, "--to", part, "--layout", "mirror", "--lat=51.5", "--lon=-0.1", "--var", "t2m").assert_done()
    near = ("--lat=51.5", "--lon=-0.1", "--var", "t2m")
    rows = run("zpoint", whole, *near).of_type("row")
    assert len(rows) == TIMES and run("zpoint", part, *near).of_type("row") == rows
    far = run("zpoint", part, "--lat=-51.5", "--lon=100", "--var", "t2m")
    assert far.code != 0 and "was not fetched" in far.stderr, far.stderr
    copy = run("zrecompress", part, tmp_path / "copy.zarr")
    assert copy.code == 5 and "only some of its chunks were fetched" in copy.stderr, copy.stderr
    assert not (tmp_path / "copy.zarr").exists()


SHAPE, SHARDS, INNER = (50, 64), (24, 20), (6, 5)


@pytest.fixture(scope="module", params=["start", "end", "nested"])
def sharded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A sharded array, some inner chunks and a shard of which are not stored, and its values."""
    path = tmp_path_factory.mktemp("sharded") / "in.zarr"
    codec = ShardingCodec(
        chunk_shape=INNER,
        codecs=[BytesCodec(), BloscCodec(cname="lz4", typesize=4)],
        index_location="start" if request.param == "start" else "end",
    )
    if request.param == "nested":
        codec = ShardingCodec(chunk_shape=(12, 10), codecs=[codec])
    group = zarr.create_group(path, zarr_format=3)
    array = group.create_array(
        "a",
        shape=SHAPE,
        chunks=SHARDS,
        dtype="f4",
        fill_value=-1,
        serializer=codec,
        compressors=None,
        dimension_names=("y", "x"),
    )
    values = np.random.default_rng(0).normal(size=SHAPE).astype("f4")
    values[6:12, 5:20] = -1
    values[24:48, 40:60] = -1
    array[:] = values
    return path, values


def aligned(first: int, last: int, chunk: int, length: int) -> slice:
    return slice(first // chunk * chunk, min(-(-last // chunk) * chunk, length))


@pytest.mark.parametrize("how", ["auto", "whole", "inner"])
def test_parts_of_shards(sharded: tuple[Path, np.ndarray], how: str, tmp_path: Path) -> None:
    source, values = sharded
    rng = np.random.default_rng(1)
    for turn in range(12):
        (top, bottom), (left, right) = (sorted(rng.choice(length + 1, 2, replace=False)) for length in SHAPE)
        part = tmp_path / f"{turn}.zarr"
        run(
            "zfetch", source, "--to", part, "--shards", how, "--isel", f"y={top}:{bottom}", "--isel", f"x={left}:{right}"
        ).assert_done()
        found = zarr.open_group(part, mode="r")["a"]
        assert found.metadata.chunk_grid == zarr.open_group(source, mode="r")["a"].metadata.chunk_grid
        outer = (12, 10) if "12" in str(found.metadata.codecs[0].chunk_shape) else INNER
        candidates = {
            kind: tuple(
                aligned(first, last, chunk, length)
                for first, last, chunk, length in zip((top, left), (bottom, right), chunks, SHAPE, strict=True)
            )
            for kind, chunks in {"inner": outer, "whole": SHARDS}.items()
        }
        sizes = {kind: values[box].size for kind, box in candidates.items()}
        expected = how if how != "auto" else ("inner" if 2 * sizes["inner"] < sizes["whole"] else "whole")
        np.testing.assert_array_equal(found[:], values[candidates[expected]], err_msg=f"{turn}: {expected}")
