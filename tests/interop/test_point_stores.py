"""zpoint over several stores and in parts: the rows of all, in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import points
from points import Point


def batches(directory: Path) -> list[Path]:
    """Stores that follow one another in time, the second with other chunks and another format."""
    lat, lon = np.arange(3.0), np.arange(4.0)
    stores = []
    for number, (length, zarr_format) in enumerate([(5, 2), (4, 3), (1, 2)]):
        variables = {
            "b": (("time", "lat", "lon"), points.numbers((length, 3, 4), seed=number)),
            "a": (("time", "lat", "lon"), points.numbers((length, 3, 4), "i2", seed=number)),
        }
        dataset = points.grid(lat, lon, times=length, **variables)
        dataset = dataset.assign_coords(time=points.hours(length, f"2019-03-0{3 - number}"))
        encoding = {"b": {"chunks": (number + 1, 2, 3)}}
        stores.append(points.write(dataset, directory / f"batch_{number}.zarr", zarr_format, encoding))
    return stores


def expected_of(stores: list[Path], asked: list[Point]) -> points.Columns:
    """The rows of stores behind one another."""
    parts = []
    for store in stores:
        with points.opened(store) as dataset:
            parts.append(points.rows(points.at_points(dataset, asked).load(), "time"))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def test_stores_come_in_the_order_given(tmp_path: Path) -> None:
    """Not in that of their names or times."""
    stores = batches(tmp_path)
    for order in ([0, 1, 2], [2, 0, 1], [1, 1]):
        asked = [Point(1, 1), Point(2, 3)]
        chosen = [stores[number] for number in order]
        table = points.extract(tmp_path, chosen, asked)
        points.assert_same_columns(points.columns(table), expected_of(chosen, asked))


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("stores", [1, 3])
def test_parts_together_are_the_whole(stores: int, count: int, tmp_path: Path) -> None:
    """Each row is in one part, in order; the lines of CSV are the same, too."""
    chosen, asked = batches(tmp_path)[:stores], [Point(1, 1), Point(2, 3)]
    whole = points.extract(tmp_path, chosen, asked)
    assert points.extract_parts(tmp_path, chosen, asked, count).equals(whole)
    texts = []
    for number in range(1, count + 1):
        header = [] if number == 1 else ["--no-header"]
        texts.append(run_csv(tmp_path, chosen, asked, "--part", f"{number}/{count}", *header))
    assert "".join(texts) == run_csv(tmp_path, chosen, asked)


def run_csv(directory: Path, stores: list[Path], asked: list[Point], *options: str) -> str:
    """The text of a run."""
    output = directory / "out.csv"
    points.zpoint(*stores, *points.arguments(asked), "-f", "csv", "-o", output, "--overwrite", *options)
    return output.read_text(encoding="utf-8")


def test_parts_of_a_large_store_together_are_the_whole(find_store, tmp_path: Path) -> None:
    """Also with selections and more parts than chunks of time."""
    store, asked = find_store("era5-uk-v3-sharded.zarr"), [Point(51.5, 0), Point(57, -3)]
    options = ("--isel", "time=5:701")
    whole = points.extract(tmp_path, store, asked, *options)
    for count in (2, 3, 7):
        assert points.extract_parts(tmp_path, store, asked, count, *options).equals(whole)


VALUE = ("time", "lat", "lon")


@pytest.mark.parametrize(
    ("code", "shift", "dtypes"),
    [
        (2, 0.0, {"a": "i4", "b": "f4"}),
        (2, 0.0, {"a": "i2"}),
        (1, 0.25, {"a": "i2", "b": "f4"}),
    ],
    ids=["another type", "a variable less", "another cell"],
)
def test_stores_that_differ_are_refused(code: int, shift: float, dtypes: dict[str, str], tmp_path: Path) -> None:
    """The message names the store; nothing is written."""
    first, output = batches(tmp_path)[0], tmp_path / "out.csv"
    variables = {name: (VALUE, points.numbers((3, 3, 4), dtype)) for name, dtype in dtypes.items()}
    other = points.write(points.grid(np.arange(3.0) + shift, np.arange(4.0), **variables), tmp_path / "other.zarr")
    error = points.refused(code, first, other, *points.arguments([Point(1, 1)]), "-o", output)
    assert str(other) in error["path"]
    assert not output.exists()


def test_other_cells_can_be_allowed(tmp_path: Path) -> None:
    """With --same-cell warn, each store has its own cell, and is named in a warning."""
    variables = {"t2m": (VALUE, points.numbers((3, 3, 4)))}
    lon, lats = np.arange(4.0), [np.arange(3.0), np.arange(3.0) + 0.25]
    stores = [points.write(points.grid(lat, lon, **variables), tmp_path / f"{lat[0]}.zarr") for lat in lats]
    output, asked = tmp_path / "out.parquet", [Point(1, 1)]
    done = points.zpoint(*stores, *points.arguments(asked), "--same-cell", "warn", "-o", output)
    assert str(stores[1]) in done.stderr
    table = pq.read_table(output)
    points.assert_same_columns(points.columns(table), expected_of(stores, asked))
    assert table["grid_lat"].to_pylist() == [1.0] * 3 + [1.25] * 3
