"""zpoint against xarray: times of every unit, type and calendar."""

from __future__ import annotations

import csv
import datetime
import json
from pathlib import Path

import numpy as np
import pytest

import points
from test_point_decode import EVERYWHERE, SHAPE, add, base


def with_time(directory: Path, zarr_format: int, values: np.ndarray, attributes: dict) -> Path:
    """A store whose times are written just so."""
    store = base(directory, zarr_format)
    add(store, "v", points.numbers(SHAPE), {})
    # xarray writes no fill value for coordinates, in which nothing is missing.
    fill = {"fill_value": None} if zarr_format == 2 and values.dtype.kind != "M" else {}
    add(store, "time", values, {"standard_name": "time", **attributes}, dims=("time",), **fill)
    return store


TIMES = {
    "hours": ("i8", [1, 2, 3, 5, 8], "hours since 2019-03-01"),
    "days and a fraction": ("f8", [0.25, 0.5, 1 / 3, 1.75, 43.1], "days since 1900-01-01 00:00:00"),
    "float32": ("f4", [0.25, 0.5, 7.25, 8.75, 43.0], "days since 2000-01-01"),
    "seconds": ("i4", [-1, 0, 1, 86399, 86400], "seconds since 1970-01-01T00:00:00Z"),
    "minutes, other order": ("i8", [50, 40, 30, 20, 10], "minutes since 2019-03-01 12:30:00"),
    "no zeros": ("i8", [1, 2, 3, 4, 5], "hours since 2026-6-10 0:0:0"),
    "milliseconds": ("i8", [1, 20, 300, 4000, 50000], "milliseconds since 2019-03-01"),
    "unsigned": ("u4", [1, 2, 3, 4, 5], "hours since 2019-03-01"),
}


@pytest.mark.parametrize(
    ("zarr_format", "calendar"), [(2, None), (2, "gregorian"), (3, "standard"), (3, "proleptic_gregorian")]
)
@pytest.mark.parametrize("kind", TIMES)
def test_times_since_a_date(kind: str, zarr_format: int, calendar: str | None, tmp_path: Path) -> None:
    """Of every unit and type of number."""
    dtype, numbers, units = TIMES[kind]
    attributes = {"units": units} | ({"calendar": calendar} if calendar else {})
    store = with_time(tmp_path, zarr_format, np.array(numbers, dtype), attributes)
    with points.opened(store) as dataset:
        expected = points.repeated(points.at_points(dataset, EVERYWHERE[:2]), dataset["time"], ("time",))
    found = points.columns(points.extract(tmp_path, store, EVERYWHERE[:2]))["time"]
    # xarray has nanoseconds of a float, zpoint the nearest microsecond.
    rounded = (expected.astype("M8[ns]") + np.timedelta64(500, "ns")).astype("M8[us]")
    np.testing.assert_array_equal(found, rounded)


@pytest.mark.parametrize("unit", ["ns", "us", "ms", "s", "h", "D"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_times_of_a_type_of_their_own(zarr_format: int, unit: str, tmp_path: Path) -> None:
    """<M8 of Zarr v2 and numpy.datetime64 of v3."""
    times = (np.datetime64("2019-03-01T00") + np.arange(5) * np.timedelta64(24, "h")).astype(f"M8[{unit}]")
    store = with_time(tmp_path, zarr_format, times, {})
    points.assert_extracts(tmp_path, store, EVERYWHERE[:3], "time")


def test_a_time_with_a_zone(tmp_path: Path) -> None:
    """Is told in UTC."""
    store = with_time(tmp_path, 2, np.arange(5), {"units": "hours since 2026-6-10 0:0:0+3"})
    found = points.columns(points.extract(tmp_path, store, EVERYWHERE[:1]))["time"]
    np.testing.assert_array_equal(found, np.datetime64("2026-06-09T21", "us") + np.arange(5) * np.timedelta64(1, "h"))


def day_without_leap_years(days: float) -> str:
    """The date so many days after 1850-01-01 if no year had a 29th of February."""
    whole = int(days // 1)
    date = datetime.date(2001, 1, 1) + datetime.timedelta(days=whole % 365)
    clock = datetime.datetime.min + datetime.timedelta(days=days - whole)
    return f"{1850 + whole // 365:04}-{date.month:02}-{date.day:02}T{clock:%H:%M:%S}"


def day_of_360(days: float) -> str:
    """The same where each month has 30 days."""
    whole = int(days // 1)
    clock = datetime.datetime.min + datetime.timedelta(days=days - whole)
    return f"{1850 + whole // 360:04}-{whole % 360 // 30 + 1:02}-{whole % 30 + 1:02}T{clock:%H:%M:%S}"


@pytest.mark.parametrize(
    ("calendar", "spell"),
    [("noleap", day_without_leap_years), ("365_day", day_without_leap_years), ("360_day", day_of_360)],
)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_times_of_models(zarr_format: int, calendar: str, spell, tmp_path: Path) -> None:
    """Days since a date without leading zeros, 06:00 being a quarter; text has no zone."""
    days = [0.25, 58.5, 59.75, 729.0, 60000.125]
    attributes = {"units": "days since 1850-1-1", "calendar": calendar}
    store = with_time(tmp_path, zarr_format, np.array(days), attributes)
    expected = [spell(day) for day in days]
    output = tmp_path / "out.csv"
    points.zpoint(store, *points.arguments(EVERYWHERE[:1]), "-f", "csv", "-o", output)
    with output.open(newline="", encoding="utf-8") as lines:
        assert [row["time"] for row in csv.DictReader(lines)] == expected
    table = points.extract(tmp_path, store, EVERYWHERE[:1])
    assert table["time"].to_pylist() == expected
    sidecar = (tmp_path / "extracted.parquet.columns.jsonl").read_text(encoding="utf-8").splitlines()
    (time,) = [record for record in map(json.loads, sidecar) if record["column"] == "time"]
    assert time["calendar"] in (calendar, "noleap")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_variables_may_be_times_and_durations(zarr_format: int, tmp_path: Path) -> None:
    """A variable with a date is one of times, missing ones empty; one of durations has numbers."""
    store = base(tmp_path, zarr_format)
    days = np.random.default_rng(8).integers(1, 20000, SHAPE)
    add(store, "length", days, {"units": "days"}, **({"fill_value": None} if zarr_format == 2 else {}))
    days[0, 0, :2] = -1
    add(store, "start", days, {"units": "days since 1970-01-01", "_FillValue": -1}, fill_value=-1)
    points.assert_extracts(tmp_path, store, EVERYWHERE, "time")


@pytest.mark.parametrize("units", ["months since 2019-01-01", "years since 2000-01-01", "fortnights since 1900-1-1"])
def test_months_and_years_are_not_guessed(units: str, tmp_path: Path) -> None:
    """Never a date: they stay numbers (an xarray without cftime refuses them)."""
    store = with_time(tmp_path, 2, np.arange(5), {"units": units})
    table = points.extract(tmp_path, store, EVERYWHERE[:1])
    points.assert_same_bits(points.columns(table)["time"], np.arange(5), "time")
