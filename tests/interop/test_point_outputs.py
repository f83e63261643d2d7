"""What zpoint writes, read by csv, pandas, pyarrow, NumPy and xarray: the values that xarray selects."""

from __future__ import annotations

import csv
import itertools
import json
import math
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import xarray as xr

import points
from points import Point
from ztools import TIMEOUT_SECONDS, binary, run

ASKED = [Point(41, -1), Point(42.4, 1.6), Point(40, -2)]
TIMES = 5


def dataset() -> xr.Dataset:
    """Floats with missing and infinite ones, integers, truth values, levels."""
    lat, lon = np.arange(40, 44.0), np.arange(-2, 4.0)
    shape, dims = (TIMES, 4, 6), ("time", "lat", "lon")
    floats = points.numbers(shape)
    floats[1], floats[2, 1, 1], floats[3, 1, 1] = np.nan, np.inf, 1e-30
    variables = {
        "b": (dims, points.numbers(shape, "b1")),
        "f": (dims, floats, {"units": "K", "long_name": 'a, "quoted" żółw'}),
        "d": (dims, points.numbers(shape, "f8") / 3),
        "i": (dims, points.numbers(shape, "i8")),
        "s": (dims, points.numbers(shape, "i2")),
        "t": (("level", *dims), points.numbers((2, *shape), seed=3), {"standard_name": "air_temperature"}),
        "u": (dims, points.numbers(shape, "u8")),
    }
    made = points.grid(lat, lon, times=TIMES, **variables)
    return made.assign_coords(level=("level", np.array([850, 500], "i4"), {"units": "hPa"}))


@pytest.fixture(scope="module", params=[2, 3])
def store(request: pytest.FixtureRequest, tmp_path_factory) -> Path:
    """The data set in both formats; nothing is masked."""
    path = tmp_path_factory.mktemp("outputs") / "outputs.zarr"
    made = dataset()
    fills = {name: {"_FillValue": None} for name in made.data_vars} if request.param == 2 else {}
    return points.write(made, path, request.param, fills)


@pytest.fixture(scope="module")
def expected(store: Path) -> points.Columns:
    """The table that xarray makes."""
    with points.opened(store) as opened:
        return points.rows(points.at_points(opened, ASKED).load(), "time")


def output(store: Path, path: Path, *options: str) -> Path:
    """A run that writes to a path. JSON lines are all the records that there are, the summary included."""
    arguments = (store, *points.arguments(ASKED), "-o", path, *options)
    if path.suffix != ".jsonl":
        points.zpoint(*arguments)
        return path
    done = run("zpoint", *arguments)
    assert (done.code, done.stdout) == (0, ""), done.stderr
    assert [record["type"] for record in lines_of(path)].count("summary") == 1
    assert lines_of(path)[-1]["type"] == "summary"
    return path


def lines_of(path: Path) -> list[dict]:
    """The records of a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def of_type(kind: str, path: Path) -> list[dict]:
    """The records of one type in a file."""
    return [record for record in lines_of(path) if record["type"] == kind]


def parsed(text: str, dtype: np.dtype):
    """A value of CSV in the type that it came from."""
    if dtype.kind == "b":
        return {"true": True, "false": False}[text.lower()]
    if dtype.kind in "iu":
        return int(text)
    if dtype.kind == "M":
        assert text.endswith("Z")
        return np.datetime64(text[:-1], "us")
    return dtype.type(text) if text else dtype.type(np.nan)


# ------------------------------------------------------------------------------ text


def test_csv_has_every_bit(store: Path, expected: points.Columns, tmp_path: Path) -> None:
    """Read by the csv module: the shortest texts that give the same numbers; missing ones are empty."""
    with output(store, tmp_path / "x.csv").open(newline="", encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    assert list(table[0]) == [*points.POINT_KEYS, *expected]
    for name, column in expected.items():
        dtype = column.dtype if column.dtype.kind != "M" else np.dtype("M8[us]")
        found = np.array([parsed(row[name], dtype) for row in table], dtype=dtype)
        points.assert_same_bits(found, column, name)
    assert [row["point_id"] for row in table] == ["0", "1", "2"] * TIMES
    assert "" in [row["f"] for row in table]


def test_pandas_reads_csv(store: Path, expected: points.Columns, tmp_path: Path) -> None:
    """Without being told of types, but for the width of floats."""
    frame = pd.read_csv(output(store, tmp_path / "x.csv", "--na-rep", "NA"), parse_dates=["time"])
    assert frame["time"].dt.tz is not None
    for name in ("i", "s", "d", "b", "u"):
        np.testing.assert_array_equal(frame[name].to_numpy(), expected[name], err_msg=name)
    np.testing.assert_array_equal(frame["f"].to_numpy().astype("f4"), expected["f"])


def test_csv_goes_to_standard_output(store: Path, tmp_path: Path) -> None:
    """With -f csv, the same bytes as in a file."""
    file = output(store, tmp_path / "x.csv")
    command = [binary("zpoint"), store, *points.arguments(ASKED), "-f", "csv"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=TIMEOUT_SECONDS)
    assert done.stdout == file.read_bytes()


def test_json_lines_have_every_bit(store: Path, expected: points.Columns, tmp_path: Path) -> None:
    """A record a row in a pipe and in a file; missing numbers are null."""
    done = points.zpoint(store, *points.arguments(ASKED))
    records = done.of_type("row")
    assert json.dumps(of_type("row", output(store, tmp_path / "x.jsonl"))) == json.dumps(records)
    for name, column in expected.items():
        for record, value in zip(records, column, strict=True):
            found = record[name]
            if column.dtype.kind == "M":
                assert np.datetime64(found[:-1], "ns") == value
            elif column.dtype.kind == "f" and math.isnan(value):
                assert found is None
            else:
                assert column.dtype.type(found) == value, (name, found)


@pytest.mark.parametrize(("form", "unit"), [("unix", "s"), ("unix-us", "us")])
def test_times_as_numbers(form: str, unit: str, store: Path, expected: points.Columns, tmp_path: Path) -> None:
    """Seconds or microseconds since 1970."""
    frame = pd.read_csv(output(store, tmp_path / "x.csv", "--time-format", form))
    np.testing.assert_array_equal(frame["time"].to_numpy().astype(f"M8[{unit}]"), expected["time"])


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_the_long_layout_has_a_row_for_each_value(
    ending: str, store: Path, expected: points.Columns, tmp_path: Path
) -> None:
    """Samples, points and columns in their order; each value is the one of the wide layout."""
    path = output(store, tmp_path / f"long.{ending}", "--layout", "long", "--var", "[ft]")
    names = ["f", "t_850", "t_500"]
    if ending == "csv":
        frame = pd.read_csv(path, dtype={"value": "f4", "point_id": str})
    elif ending == "jsonl":
        frame = pd.DataFrame(of_type("row", path))
    else:
        frame = pq.read_table(path).to_pandas()
    order = list(itertools.product(range(TIMES), range(len(ASKED)), names))
    assert [str(point) for point in frame["point_id"]] == [str(point) for _, point, _ in order]
    levels = ["" if pd.isna(level) else f"_{int(level)}" for level in frame["level"]]
    assert list(frame["variable"] + levels) == [name for _, _, name in order]
    values = [expected[name][sample * len(ASKED) + point] for sample, point, name in order]
    points.assert_same_bits(frame["value"].to_numpy().astype("f4"), np.array(values, "f4"), "value")
    times = pd.to_datetime(frame["time"], utc=True).dt.tz_localize(None).to_numpy()
    np.testing.assert_array_equal(times, [expected["time"][sample * len(ASKED)] for sample, _, _ in order])


# --------------------------------------------------------------------------- parquet


def test_parquet_has_types_and_metadata(store: Path, expected: points.Columns, tmp_path: Path) -> None:
    """What xarray calls the types; attributes of variables are metadata of the fields."""
    table = pq.read_table(output(store, tmp_path / "x.parquet"))
    points.assert_same_columns(points.columns(table), expected)
    schema = table.schema
    assert str(schema.field("time").type) == "timestamp[us, tz=UTC]"
    assert schema.field("f").metadata[b"units"] == b"K"
    assert schema.field("f").metadata[b"long_name"].decode() == 'a, "quoted" żółw'
    assert schema.field("t_850").metadata[b"standard_name"] == b"air_temperature"
    frame = table.to_pandas()
    assert str(frame["time"].dtype) == "datetime64[us, UTC]"


def test_columns_are_described_beside(store: Path, expected: points.Columns, tmp_path: Path) -> None:
    """One record a column, in order, with its type as NumPy and Zarr call it."""
    path = output(store, tmp_path / "x.parquet")
    records = of_type("column", Path(f"{path}.columns.jsonl"))
    assert [record["column"] for record in records] == [*points.POINT_KEYS, *expected]
    for record in records:
        name = record["column"]
        if name in expected and name != "time":
            assert np.dtype(record["dtype"]) == expected[name].dtype, record
            assert record["variable"] == "/" + name.partition("_")[0]


# -------------------------------------------------------------------------------- npy


def test_a_matrix_of_one_type(store: Path, expected: points.Columns, tmp_path: Path) -> None:
    """Rows by features, with rows and columns described beside it."""
    matrix = np.load(output(store, tmp_path / "x.npy", "--var", "[ft]"))
    names = ["f", "t_850", "t_500"]
    assert (matrix.dtype, matrix.shape) == (np.dtype("<f4"), (TIMES * len(ASKED), 3))
    for number, name in enumerate(names):
        points.assert_same_bits(matrix[:, number].copy(), expected[name], name)
    rows = pd.read_csv(tmp_path / "x.npy.rows.csv", parse_dates=["time"])
    assert list(rows.columns) == [*points.POINT_KEYS, "time"]
    np.testing.assert_array_equal(rows["time"].dt.tz_localize(None).to_numpy(), expected["time"])
    records = [record for record in lines_of(tmp_path / "x.npy.columns.jsonl") if "variable" in record]
    assert [record["column"] for record in records] == names


def test_a_matrix_of_several_types_needs_a_cast(store: Path, expected: points.Columns, tmp_path: Path) -> None:
    """Without --cast the run ends; with it all are 32-bit floats as NumPy casts them."""
    points.refused(2, store, *points.arguments(ASKED), "-o", tmp_path / "x.npy")
    assert not list(tmp_path.iterdir())
    matrix = np.load(output(store, tmp_path / "x.npy", "--cast", "f32"))
    for number, (name, column) in enumerate((name, c) for name, c in expected.items() if name != "time"):
        points.assert_same_bits(matrix[:, number].copy(), column.astype("f4"), name)


@pytest.mark.parametrize("name", ["d", "i", "s", "b", "u"])
def test_a_matrix_has_the_type_of_its_columns(name: str, store: Path, expected: points.Columns, tmp_path: Path) -> None:
    """Also of integers and truth values."""
    matrix = np.load(output(store, tmp_path / "x.npy", "--var", name))
    points.assert_same_bits(matrix[:, 0].copy(), expected[name], name)


# ------------------------------------------------------------------------------- zarr


def test_xarray_opens_the_store(store: Path, tmp_path: Path) -> None:
    """Stations by times, coordinates and attributes; values and times as before."""
    path = output(store, tmp_path / "x.zarr")
    with points.opened(store) as source, xr.open_zarr(path, chunks=None, decode_timedelta=False) as made:
        chosen = points.at_points(source, ASKED).load()
        assert made.attrs["featureType"] == "timeSeries"
        assert made.sizes["station"] == len(ASKED)
        assert made["point_id"].attrs["cf_role"] == "timeseries_id"
        assert [str(name) for name in made["point_id"].values] == ["0", "1", "2"]
        np.testing.assert_array_equal(made["lat"].values, [point.lat for point in ASKED])
        np.testing.assert_array_equal(made["lon"].values, [point.lon for point in ASKED])
        np.testing.assert_array_equal(made["grid_lat"].values, chosen["lat"].values)
        np.testing.assert_array_equal(made["grid_lon"].values, chosen["lon"].values)
        np.testing.assert_array_equal(made["time"].values, chosen["time"].values)
        assert set(made["f"].dims) == {"station", "time"}
        assert {"lat", "lon", "point_id"} <= set(made.coords)
        assert set(made.data_vars) == set(chosen.data_vars)
        np.testing.assert_array_equal(made["level"].values, chosen["level"].values)
        for name, variable in chosen.data_vars.items():
            back = made[name].rename(station="point").transpose(*variable.dims)
            points.assert_same_bits(back.values.ravel(), variable.values.ravel(), name)
            for key, value in variable.attrs.items():
                assert made[name].attrs[key] == value


def test_the_store_is_sound(store: Path, tmp_path: Path) -> None:
    """Its consolidated metadata are true, and zinspect has no complaint; zpoint reads its own."""
    path = output(store, tmp_path / "x.zarr")
    run("zinspect", "--check-consolidated", path).assert_done()
    run("zinspect", "--sizes", "--sample", "1000", path).assert_done()


@pytest.mark.parametrize("ending", ["csv", "parquet", "npy", "zarr"])
def test_an_output_that_exists_is_kept(ending: str, store: Path, tmp_path: Path) -> None:
    """Exit 7 and not a byte changed, unless --overwrite is said, which gives the same again."""
    path = output(store, tmp_path / f"x.{ending}", "--var", "f")
    before = snapshot(tmp_path)
    done = run("zpoint", store, *points.arguments(ASKED), "--var", "d", "-o", path)
    assert done.code == 7, done.stdout
    assert snapshot(tmp_path) == before
    output(store, path, "--var", "f", "--overwrite")
    assert list(snapshot(tmp_path)) == list(before)


def snapshot(directory: Path) -> dict[str, bytes]:
    """All files below a directory."""
    return {str(path): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}
