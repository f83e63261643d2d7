"""Cases in which zpoint does not do yet what these tests expect; not collected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import points
from points import Point
from test_point_decode import EVERYWHERE, SHAPE, add, base, with_time
from ztools import FIXTURES


def test_raw_times_are_numbers(tmp_path: Path) -> None:
    """--decode raw says "not at all"; the column `time` is decoded all the same."""
    store = FIXTURES / "weather-v2.zarr"
    with points.opened(store, decode_cf=False) as dataset:
        chosen = points.at_points(dataset, [Point(52, 0)], "latitude", "longitude").load()
    table = points.extract(tmp_path, store, [Point(52, 0)], "--decode", "raw")
    points.assert_same_columns(points.columns(table), points.rows(chosen, "time"))


@pytest.mark.parametrize("units", ["months since 2019-01-01", "years since 2000-01-01", "fortnights since 1900-1-1"])
def test_times_that_stay_numbers_are_told(units: str, tmp_path: Path) -> None:
    """A coordinate whose units are of the form of times, but not understood, deserves a warning."""
    store = with_time(tmp_path, 2, np.arange(5), {"units": units})
    done = points.zpoint(store, *points.places(EVERYWHERE[:1]), "-o", tmp_path / "out.parquet")
    assert units in done.stderr


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_durations_with_missing_ones_are_floats(zarr_format: int, tmp_path: Path) -> None:
    """xarray has float64 and NaN (decode_timedelta=False); zpoint has int64 and null."""
    store = base(tmp_path, zarr_format)
    days = np.random.default_rng(8).integers(0, 20000, SHAPE)
    days[0, 0, :2] = -1
    add(store, "length", days, {"units": "days", "_FillValue": -1}, fill_value=-1)
    points.zpoint(store, *points.places(EVERYWHERE), "-o", tmp_path / "out.parquet")
    assert str(pq.read_schema(tmp_path / "out.parquet").field("length").type) == "double"
