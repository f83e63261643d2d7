"""zpoint against xarray: the values of points in real stores, selections, rows and columns."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import xarray as xr

import points
from points import Point
from ztools import FIXTURES, XARRAY_STORES

NAMES = ("latitude", "longitude")
LONDON = Point(51.5, 0.0)
MANY = [LONDON, Point(50, -10), Point(58, 2), Point(53.1, -4.4), Point(57.13, 1.99), Point(51.5, 0.0)]


@pytest.mark.parametrize("partial", ["auto", "on", "off"])
@pytest.mark.parametrize("store", XARRAY_STORES)
def test_stores_have_the_values_that_xarray_selects(store: str, partial: str, find_store, tmp_path: Path) -> None:
    """Bit for bit, however chunks are decoded."""
    source = find_store(store)
    if store == "weather-v2.zarr":
        with points.opened(source) as dataset:
            globe = points.around_the_globe(dataset, "longitude")
            chosen = points.at_points(globe, points.turned(MANY, 0.0), *NAMES).load()
        table = points.extract(tmp_path, source, MANY, "--partial-decode", partial)
        points.assert_same_columns(points.columns(table), points.rows(chosen, "time"))
    else:
        options = ("--partial-decode", partial)
        points.assert_extracts(tmp_path, source, MANY, "time", names=NAMES, options=options)


@pytest.mark.parametrize("store", XARRAY_STORES)
def test_raw_values_are_those_that_are_stored(store: str, find_store, tmp_path: Path) -> None:
    """With --decode raw, variables are what zarr-python reads."""
    source = find_store(store)
    with points.opened(source, decode_cf=False) as dataset:
        chosen = points.at_points(dataset, [LONDON], *NAMES).load()
    table = points.extract(tmp_path, source, [LONDON], "--decode", "raw")
    points.assert_same_columns(points.columns(table, "time"), points.rows(chosen.drop_vars("time"), "time"))


@pytest.mark.parametrize("store", ["era5-uk-v2.zarr", "era5-uk-v3-sharded.zarr"])
def test_london_is_what_was_computed_before(store: str, find_store, tmp_path: Path) -> None:
    """The series that xarray read when the store was made; the thinned store has the same cell."""
    expected = pd.read_csv(FIXTURES / "era5-uk-london.csv", dtype={"t2m": "f4"}, parse_dates=["time"])
    output = tmp_path / "london.csv"
    points.zpoint(find_store(store), *points.arguments([LONDON]), "-f", "csv", "-o", output)
    found = pd.read_csv(output, dtype={"t2m": "f4"}, parse_dates=["time"])
    pd.testing.assert_frame_equal(found[["time", "t2m"]], expected, check_exact=True)


def test_many_points_are_pairs_and_not_a_product(tmp_path: Path) -> None:
    """Rows are samples by points in the order given; a point may come twice."""
    store = FIXTURES / "weather-v2.zarr"
    asked = [Point(2.0 * n - 40, 4.0 * n) for n in range(40)] + [Point(0, 0), Point(0, 0)]
    table = points.assert_extracts(tmp_path, store, asked, "time", names=NAMES)
    assert table.num_rows == 24 * len(asked)
    assert table["point_id"].to_pylist()[: len(asked)] == [str(n) for n in range(len(asked))]


def test_the_file_of_points_and_what_it_carries(tmp_path: Path) -> None:
    """Names and further columns of a CSV file are in every row, quotes and all."""
    file = tmp_path / "points.csv"
    header = ("id", "name", "lat", "lon", "height")
    lines = [header, ("a", 'Big "Ben", London', 51.5, 0, "35"), ("b", "żółw", 2.2, 44, "")]
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(lines)
    output = tmp_path / "out.parquet"
    points.zpoint(FIXTURES / "weather-v2.zarr", "--points", file, "-o", output, "--isel", "time=0:2")
    table = pq.read_table(output)
    assert table["point_id"].to_pylist() == ["a", "b"] * 2
    assert table["name"].to_pylist() == ['Big "Ben", London', "żółw"] * 2
    assert table["height"].to_pylist() in (["35", ""] * 2, ["35", None] * 2)
    assert table["lat"].to_pylist() == [51.5, 2.2] * 2
    assert table["lon"].to_pylist() == [0.0, 44.0] * 2


def test_distances_are_great_circles(tmp_path: Path) -> None:
    """From the point to the middle of its cell."""
    asked = [LONDON, Point(-89.3, 200.5), Point(0.9, -0.9), Point(66.6, 359.2)]
    table = points.extract(tmp_path, FIXTURES / "weather-v2.zarr", asked, "--isel", "time=0")
    for number, point in enumerate(asked):
        cell = [table[key][number].as_py() for key in ("grid_lat", "grid_lon")]
        expected = points.distance_km(point.lat, point.lon, *cell)
        assert table["distance_km"][number].as_py() == pytest.approx(expected, abs=2e-3)


# -------------------------------------------------------------- levels, steps, rows


@pytest.fixture(scope="module")
def levels(tmp_path_factory) -> Path:
    """Levels that fall, steps that rise, a surface variable, and dimensions without coordinates."""
    lat, lon = np.arange(40, 45, dtype="f4"), np.arange(-3, 4, dtype="f4")
    shape = (6, 4, 5, 7)
    variables = {
        "t": (("time", "level", "lat", "lon"), points.numbers(shape, seed=1)),
        "t2m": (("time", "lat", "lon"), points.numbers((6, 5, 7), "f8", seed=2)),
        "z": (("lat", "lon"), points.numbers((5, 7), "i4", seed=3)),
        "ens": (("member", "time", "lat", "step", "lon"), points.numbers((2, 6, 5, 3, 7), seed=4)),
        "index": (("time",), np.arange(6, dtype="i8")),
    }
    dataset = points.grid(lat, lon, times=6, **variables)
    dataset = dataset.assign_coords(level=("level", np.array([1000, 850, 500, 0.5], "f4"), {"units": "hPa"}))
    dataset = dataset.assign_coords(step=("step", np.array([6, 12, 24])))
    return points.write(dataset, tmp_path_factory.mktemp("levels") / "levels.zarr")


IN_LEVELS = [Point(42.2, 1.4), Point(44, -3)]


def test_levels_become_columns(levels: Path, tmp_path: Path) -> None:
    """t_850 for a level; dimensions without a coordinate are counted; what has no time is in all rows."""
    table = points.assert_extracts(tmp_path, levels, IN_LEVELS, "time")
    names = [name for name in table.column_names if name.startswith(("t_", "ens"))]
    expected = [f"ens_{member}_{step}" for member in (0, 1) for step in (6, 12, 24)]
    assert names == [*expected, "t_1000", "t_850", "t_500", "t_0.5"]


def test_variables_without_a_grid_are_carried_on_request(levels: Path, tmp_path: Path) -> None:
    """With --carry, a series of time is in every row."""
    with points.opened(levels) as dataset:
        chosen = points.at_points(dataset, IN_LEVELS).load()
    table = points.extract(tmp_path, levels, IN_LEVELS, "--carry")
    points.assert_same_columns(points.columns(table), points.rows(chosen, "time", carry=("index",)))


@pytest.mark.parametrize(
    ("option", "select"),
    [
        ("--sel=level=850", lambda ds: ds.sel(level=[850])),
        ("--sel=level=850:500", lambda ds: ds.sel(level=slice(850, 500))),
        ("--sel=step=6:12", lambda ds: ds.sel(step=slice(6, 12))),
        ("--sel=step=7:100", lambda ds: ds.sel(step=slice(7, 100))),
        ("--sel=time=2019-03-01T02:2019-03-01T04", lambda ds: ds.sel(time=slice("2019-03-01T02", "2019-03-01T04"))),
        ("--sel=time=2019-03-01T03:00:00", lambda ds: ds.sel(time=["2019-03-01T03:00:00"])),
        ("--isel=level=1:3", lambda ds: ds.isel(level=slice(1, 3))),
        ("--isel=level=-1", lambda ds: ds.isel(level=[-1])),
        ("--isel=member=1", lambda ds: ds.isel(member=[1]).assign_coords(member=[1])),
        ("--isel=time=2:", lambda ds: ds.isel(time=slice(2, None))),
        ("--isel=time=:-2", lambda ds: ds.isel(time=slice(None, -2))),
        ("--isel=time=-3:-1", lambda ds: ds.isel(time=slice(-3, -1))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_selections_are_those_of_xarray(option: str, select, levels: Path, tmp_path: Path) -> None:
    """Ends of --sel are included, those of --isel are not."""
    with points.opened(levels) as dataset:
        chosen = points.at_points(select(dataset), IN_LEVELS).load()
    table = points.extract(tmp_path, levels, IN_LEVELS, option)
    points.assert_same_columns(points.columns(table), points.rows(chosen, "time"))


@pytest.mark.parametrize(
    ("dtype", "values", "labels"),
    [
        ("i8", np.arange(20190228, 20190312), ["20190301", "20190301:20190303", "20190228,20190305"]),
        ("u8", np.arange(6, dtype="u8") + np.uint64(2**64 - 6), [str(2**64 - 3), f"{2**64 - 5}:{2**64 - 3}"]),
        ("i8", 2**53 + np.arange(6), [str(2**53 + 1), f"{2**53 + 1}:{2**53 + 3}"]),
        ("f8", 5_000_000.0 + np.arange(8), ["5000002", "5000002:5000004"]),
        ("f4", 1e7 + np.arange(8), ["10000003", "10000003:10000005"]),
        ("f4", np.arange(40) / 10, ["0.3", "1.1:1.7"]),
    ],
)
@pytest.mark.parametrize("stores", [1, 2])
def test_labels_of_large_numbers_are_those_of_xarray(stores: int, dtype: str, values, labels, tmp_path: Path) -> None:
    """A neighbour of a value is another value, however large both are."""
    values = np.asarray(values).astype(dtype)
    dims = ("date", "lat", "lon")
    made = []
    for number, part in enumerate(np.array_split(values, stores)):
        field = points.numbers((len(part), 3, 4), seed=number)
        coordinates = {"date": part, "lat": np.arange(3.0), "lon": np.arange(4.0)}
        made.append(points.write(xr.Dataset({"t": (dims, field)}, coordinates), tmp_path / f"{number}.zarr", 3))
    whole = xr.concat([xr.open_zarr(store, consolidated=False) for store in made], "date").load()
    for label in labels:
        start, _, end = label.partition(":")
        chosen = whole.sel(date=slice(values.dtype.type(start), values.dtype.type(end)) if end else [values.dtype.type(part) for part in label.split(",")])
        near = [()] if end else [(), ("--sel-method=nearest", "--sel-tolerance=0")]
        for options in near:
            table = points.extract(tmp_path, made, [Point(1, 1)], f"--sel=date={label}", *options)
            np.testing.assert_array_equal(table["t"].to_numpy(), chosen["t"].values[:, 1, 1])


@pytest.mark.parametrize("period", ["2019-03", "2019-03-15", "2019-03-02:2019-03-04", "2019-03-30T20:2019-04-02"])
def test_periods_of_time_are_those_of_xarray(period: str, find_store, tmp_path: Path) -> None:
    """A month or a day is all of its hours, and the last day of a range, too."""
    start, _, end = period.partition(":")
    store = find_store("era5-uk-v3-sharded.zarr")
    with points.opened(store) as dataset:
        chosen = points.at_points(dataset.sel(time=slice(start, end or start)), [LONDON], *NAMES).load()
    table = points.extract(tmp_path, store, [LONDON], f"--sel=time={period}")
    points.assert_same_columns(points.columns(table), points.rows(chosen, "time"))


@pytest.mark.parametrize(
    "option",
    ["--sel=level=777", "--sel=nothing=1", "--isel=level=9", "--isel=nothing=1", "--sel=time=2020"],
)
def test_selections_of_nothing_are_refused(option: str, levels: Path) -> None:
    """A label or an index that there is not, or a dimension."""
    assert points.refused(2, levels, *points.arguments(IN_LEVELS), option)["error"]


def test_row_and_feature_dimensions_can_be_chosen(levels: Path, tmp_path: Path) -> None:
    """Levels as rows, and times as columns."""
    with points.opened(levels) as dataset:
        chosen = points.at_points(dataset[["t"]], IN_LEVELS).load()
    table = points.extract(tmp_path, levels, IN_LEVELS, "--var", "t", "--row-dims", "time,level")
    points.assert_same_columns(points.columns(table), points.rows(chosen, "time", "level"))
    table = points.extract(tmp_path, levels, IN_LEVELS, "--var", "t", "--row-dims", "level")
    found = points.columns(table)
    texts = [f"t_{time}Z" for time in np.datetime_as_string(chosen["time"].values, unit="s")]
    assert list(found) == ["level", *texts]
    for number, text in enumerate(texts):
        expected = chosen["t"].isel(time=number).transpose("level", "point").values.ravel()
        points.assert_same_bits(found[text], expected, text)


def test_names_of_columns_follow_a_template(levels: Path, tmp_path: Path) -> None:
    """Parts in brackets are left out where there is no such dimension."""
    table = points.extract(tmp_path, levels, IN_LEVELS, "--column-name", "{var}[_l{level}][_m{member}][_s{step}]")
    assert {"t_l850", "t2m", "z", "ens_m1_s24"} <= set(table.column_names)


def test_strings_are_coordinates_of_rows_and_columns(tmp_path: Path) -> None:
    """Texts of any length and of a fixed one, in both formats."""
    lat, lon = np.arange(3.0), np.arange(4.0)
    words = {"vlen": np.array(["a", "żółw", ""], dtype=object), "fixed": np.array(["x", "longer", "żó"], "<U6")}
    data = points.numbers((3, 2, 3, 4))
    for zarr_format, (kind, texts) in [(f, item) for f in (2, 3) for item in words.items()]:
        dataset = points.grid(lat, lon, times=2, v=(("file_id", "time", "lat", "lon"), data)).assign_coords(
            file_id=("file_id", texts)
        )
        store = points.write(dataset, tmp_path / f"{kind}{zarr_format}.zarr", zarr_format)
        table = points.assert_extracts(tmp_path, store, [Point(1, 2), Point(0, 3)], "file_id", "time")
        assert table["file_id"].to_pylist() == [text for text in texts for _ in range(4)]
        table = points.extract(tmp_path, store, [Point(1, 2)], "--row-dims", "time")
        assert [name for name in table.column_names if name.startswith("v")] == [f"v_{text}" for text in texts]
