"""zpoint with more than one dimension of samples: partitions, and series in Zarr."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.dataset
import pytest
import xarray as xr

import points
from test_point_outputs import ASKED, TIMES, output


@pytest.fixture(scope="module")
def batches(tmp_path_factory) -> Path:
    """A dimension file_id beside time."""
    lat, lon = np.arange(40, 44.0), np.arange(-2, 4.0)
    variables = {"v": (("file_id", "time", "lat", "lon"), points.numbers((3, TIMES, 4, 6)))}
    made = points.grid(lat, lon, times=TIMES, **variables).assign_coords(file_id=("file_id", [7, 2, 11]))
    return points.write(made, tmp_path_factory.mktemp("batches") / "batches.zarr")


@pytest.mark.parametrize("key", ["file_id", "point_id"])
def test_partitions_are_those_of_hive(key: str, batches: Path, tmp_path: Path) -> None:
    """pyarrow finds all rows and the key in the names of directories."""
    whole = points.extract(tmp_path, batches, ASKED)
    path = output(batches, tmp_path / "parts", "-f", "parquet", "--partition-by", key)
    names = sorted(folder.name for folder in path.iterdir() if folder.is_dir())
    assert names == sorted(f"{key}={value}" for value in set(whole[key].to_pylist()))
    found = pa.dataset.dataset(path, format="parquet", partitioning="hive").to_table()
    order = [("file_id", "ascending"), ("time", "ascending"), ("point_id", "ascending")]
    keys = [(name, pa.string() if name == "point_id" else pa.int64()) for name in ("point_id", "file_id")]
    found, expected = (table.select(whole.column_names) for table in (found, whole))
    for name, kind in keys:
        # What names of directories are read as is up to their reader.
        found = found.set_column(found.column_names.index(name), name, found[name].cast(kind))
    found, expected = found.sort_by(order), expected.sort_by(order)
    assert found.num_rows == expected.num_rows == 3 * TIMES * len(ASKED)
    points.assert_same_columns(points.columns(found), points.columns(expected))


def test_partitions_of_csv(batches: Path, tmp_path: Path) -> None:
    """A file for each value, with the rows of it in their order."""
    whole = points.extract(tmp_path, batches, ASKED)
    path = output(batches, tmp_path / "parts", "-f", "csv", "--partition-by", "file_id")
    for value in (7, 2, 11):
        (file,) = (path / f"file_id={value}").glob("*.csv")
        expected = whole.filter(pa.compute.equal(whole["file_id"], value))["v"].to_numpy()
        points.assert_same_bits(pd.read_csv(file, dtype={"v": "f4"})["v"].to_numpy(), expected, str(value))


def test_a_matrix_has_no_partitions(batches: Path, tmp_path: Path) -> None:
    """It is one array."""
    options = ("-f", "npy", "--partition-by", "file_id", "-o", tmp_path / "parts")
    assert "--partition-by" in points.refused(2, batches, *points.arguments(ASKED), *options)["hint"]
    assert not list(tmp_path.iterdir())


def test_two_sample_dimensions_in_zarr(batches: Path, tmp_path: Path) -> None:
    """Become one, with both coordinates along it."""
    path = output(batches, tmp_path / "x.zarr")
    with points.opened(batches) as source, xr.open_zarr(path, chunks=None) as made:
        chosen = points.at_points(source, ASKED).load()
        samples = chosen.rename(point="station").stack(sample=("file_id", "time"))
        points.assert_same_bits(made["v"].values.ravel(), samples["v"].transpose(*made["v"].dims).values.ravel(), "v")
        for key in ("file_id", "time"):
            np.testing.assert_array_equal(made[key].values, samples[key].values)
            assert made[key].dims == ("sample",)
