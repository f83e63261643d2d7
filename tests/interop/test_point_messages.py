"""Errors and warnings of zpoint."""

from __future__ import annotations

from pathlib import Path

import numcodecs
import numpy as np
import pytest

import points
import test_point_codecs
from points import Point
from test_point_decode import EVERYWHERE
from test_point_times import with_time
from ztools import FIXTURES


def test_raw_times_are_numbers(tmp_path: Path) -> None:
    """--decode raw is for coordinates, too."""
    store = FIXTURES / "weather-v2.zarr"
    with points.opened(store, decode_cf=False) as dataset:
        chosen = points.at_points(dataset, [Point(52, 0)], "latitude", "longitude").load()
    table = points.extract(tmp_path, store, [Point(52, 0)], "--decode", "raw")
    points.assert_same_columns(points.columns(table), points.rows(chosen, "time"))


@pytest.mark.parametrize("units", ["months since 2019-01-01", "years since 2000-01-01", "fortnights since 1900-1-1"])
def test_times_that_stay_numbers_are_told(units: str, tmp_path: Path) -> None:
    """A coordinate whose units are of the form of times, but not understood, deserves a warning."""
    store = with_time(tmp_path, 2, np.arange(5), {"units": units})
    done = points.zpoint(store, *points.arguments(EVERYWHERE[:1]), "-o", tmp_path / "out.parquet")
    assert units in done.stderr


def test_a_variable_asked_for_that_cannot_be_read_is_unreadable(tmp_path: Path) -> None:
    """A codec that is not supported is exit 5, and no matter of names."""
    store = test_point_codecs.store_of(tmp_path / "store.zarr", 2)
    values = test_point_codecs.smooth("<i4")
    test_point_codecs.add(store, "checked", values, filters=[numcodecs.JenkinsLookup3()])
    error = points.refused(5, store, *points.arguments([Point(41, 0)]), "--var", "checked", "-o", tmp_path / "out.csv")
    assert "lat-name" not in error.get("hint", "")


def test_json_lines_are_overwritten(tmp_path: Path) -> None:
    """--overwrite is for every format."""
    output = tmp_path / "x.jsonl"
    output.write_text("old\n", encoding="utf-8")
    arguments = (FIXTURES / "weather-v2.zarr", *points.arguments([Point(52, 0)]), "-o", output, "--overwrite")
    done = points.run("zpoint", *arguments)
    assert done.code == 0, done.stderr
    assert "old" not in output.read_text(encoding="utf-8")
