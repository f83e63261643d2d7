"""zdedup: times and numbers that rounding or a conversion would make equal, and coordinates of the same name in groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from ztools import run


def write(path: Path, times, attributes: dict, zarr_format: int = 3, fill=0, group: str = "", **variables) -> Path:
    """A store, or a group of it, with the coordinate t and variables along it, each (values, attributes, fill value)."""
    root = zarr.open_group(path, mode="a", zarr_format=zarr_format)
    node = root.require_group(group) if group else root
    for name, (values, own, value) in {"t": (times, attributes, fill), **variables}.items():
        values = np.asarray(values)
        named = {"dimension_names": ["t"]} if zarr_format == 3 else {"attributes": {"_ARRAY_DIMENSIONS": ["t"]}}
        array = node.create_array(name, shape=values.shape, chunks=(3,), dtype=values.dtype, fill_value=value, **named)
        array[:] = values
        array.attrs.update(own)
    return path


def ones(count: int) -> tuple:
    return np.ones(count, "f4"), {}, 0.0


@pytest.mark.parametrize(
    "times, units",
    [
        (np.array([0, 1e-7, 2e-7]), "seconds since 2020-01-01"),
        (np.arange(4, dtype="u8"), "nanoseconds since 2020-01-01"),
        (np.arange(4, dtype="f8"), "nanoseconds since 2020-01-01"),
        (np.array([0, 0.25], dtype="f4"), "microseconds since 2020-01-01"),
    ],
)
def test_times_that_are_finer_than_a_microsecond_are_never_taken_for_duplicates(tmp_path: Path, times, units: str) -> None:
    path = write(tmp_path / "a.zarr", times, {"units": units}, v=ones(len(times)))
    for more in ([], ["-o", tmp_path / "all.zarr"]):
        refused = run("zdedup", "--dim", "t", "--keep", "first", *more, path)
        assert refused.code == 5 and "finer than a microsecond" in refused.stderr
    assert not (tmp_path / "all.zarr").exists()


@pytest.mark.parametrize("marker", ["_FillValue", "missing_value"])
def test_no_time_becomes_the_mark_of_a_missing_one(tmp_path: Path, marker: str) -> None:
    """A day before 2000-01-02 is 0 seconds since 2000-01-01, which stands for a missing time."""
    own = {"units": "seconds since 2000-01-01", marker: 0}, 0
    other = {"units": "seconds since 2000-01-02", marker: 0}, 0
    paths = [
        write(tmp_path / "a.zarr", [1, 2], {}, v=(np.array([5, 6]), *own)),
        write(tmp_path / "b.zarr", [3, 4], {}, v=(np.array([-86400, 7]), *other)),
    ]
    refused = run("zdedup", "--dim", "t", "-o", tmp_path / "all.zarr", *paths)
    assert refused.code == 5 and "the time -86400 would be marked as missing" in refused.stderr
    assert not (tmp_path / "all.zarr").exists()


@pytest.mark.parametrize("more", [["-n"], [], ["--prepare", "--parts", "2"]])
@pytest.mark.parametrize("name", ["t", "v"])
def test_times_without_an_exact_value_are_found_before_anything_is_written(tmp_path: Path, name: str, more: list) -> None:
    first, other = "hours since 2019-01-01", "hours since 2019-01-02"
    late = np.array([50, 2**31 - 5], "i4")
    if name == "t":
        pair = [(np.array([0, 1], "i4"), {"units": first}, {}), (late, {"units": other}, {})]
    else:
        early = np.array([3, 4], "i4"), {"units": first}, 0
        pair = [(np.array([0, 1]), {}, {"v": early}), (np.array([2, 3]), {}, {"v": (late, {"units": other}, 0)})]
    for store, (times, attributes, variables) in zip("ab", pair, strict=True):
        write(tmp_path / f"{store}.zarr", times, attributes, **variables)
    command = ["--dim", "t", *more, "-o", tmp_path / "all.zarr", tmp_path / "a.zarr", tmp_path / "b.zarr"]
    refused = run("zdedup", *command)
    assert refused.code == 5, refused.stderr
    assert f"b.zarr/{name}: the time 2147483643 has no exact value" in refused.stderr and first in refused.stderr
    assert "hint: " in refused.stderr
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.zarr", "b.zarr"]


def test_times_that_are_left_out_need_no_exact_value(tmp_path: Path) -> None:
    """The value that cannot be converted is under a duplicate of which the first occurrence is kept."""
    early, late = np.array([3, 4], "i4"), np.array([2**31 - 5, 5], "i4")
    write(tmp_path / "a.zarr", np.array([0, 1]), {}, v=(early, {"units": "hours since 2019-01-01"}, 0))
    write(tmp_path / "b.zarr", np.array([1, 2]), {}, v=(late, {"units": "hours since 2019-01-02"}, 0))
    more = ["--keep", "first", "--compare", "none", "-o", tmp_path / "all.zarr"]
    run("zdedup", "--dim", "t", *more, tmp_path / "a.zarr", tmp_path / "b.zarr").assert_done()
    np.testing.assert_array_equal(zarr.open(tmp_path / "all.zarr")["v"][:], [3, 4, 29])


def test_an_append_of_such_times_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", np.array([0, 1], "i4"), {"units": "hours since 2019-01-01"})
    write(tmp_path / "b.zarr", np.array([50, 2**31 - 5], "i4"), {"units": "hours since 2019-01-02"})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    refused = run("zdedup", "--dim", "t", "--append-to", tmp_path / "a.zarr", tmp_path / "b.zarr")
    assert refused.code == 5 and "the time 2147483643 has no exact value" in refused.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_missing_times_of_v2_stay_missing(tmp_path: Path) -> None:
    """The fill value of v2, here 0, marks missing values of variables; a chunk is not stored, too."""
    paths = []
    for number, values in enumerate([[5, 6, 7], [0, 8, 0]]):
        attributes = {"units": f"hours since 2000-01-0{1 + number}"}
        variable = np.array(values, "i4"), attributes, 0
        paths.append(write(tmp_path / f"{number}.zarr", np.arange(3) + 3 * number, {}, 2, None, v=variable))
    run("zdedup", "--dim", "t", "-o", tmp_path / "all.zarr", *paths).assert_done()
    found = xr.open_zarr(tmp_path / "all.zarr")["v"].values
    wanted = np.concatenate([xr.open_zarr(path, consolidated=False)["v"].values for path in paths])
    np.testing.assert_array_equal(found, wanted)
    assert np.isnat(found).sum() == 2


def test_a_coordinate_value_that_equals_the_fill_value_is_a_time(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / "a.zarr", np.array([24, 30], "i4"), {"units": "hours since 2000-01-01"}, 2, 48, v=ones(2)),
        write(tmp_path / "b.zarr", np.array([1, 25, 48], "i4"), {"units": "hours since 2000-01-02"}, 2, 48, v=ones(3)),
    ]
    done = run("zdedup", "--dim", "t", "-o", tmp_path / "all.zarr", *paths)
    done.assert_done()
    assert done.summary["duplicates"] == 0
    np.testing.assert_array_equal(zarr.open(tmp_path / "all.zarr")["t"][:], [24, 30, 25, 49, 72])


def test_large_integers_of_two_types_are_compared_exactly(tmp_path: Path) -> None:
    """float64 would make both the same."""
    paths = [
        write(tmp_path / "a.zarr", np.array([1, 2**62 + 1], "i8"), {}, p=ones(2)),
        write(tmp_path / "b.zarr", np.array([1, 2**62], "u8"), {}, q=ones(2)),
    ]
    refused = run("zdedup", "--dim", "t", "--merge", "-o", tmp_path / "all.zarr", *paths)
    assert refused.code == 1 and "not in the stores of all variables" in refused.stderr


GROUPS = {
    "other values": (np.array([7.5, 8.5, 9.5]), {}),
    "packed": (np.array([1, 2, 3], "i2"), {"scale_factor": 0.5}),
    "times": (np.array([1, 2, 3]), {"units": "hours since 2000-01-02"}),
}


@pytest.mark.parametrize("group", ["sub", "zz"])
@pytest.mark.parametrize("kind", GROUPS)
def test_groups_may_have_coordinates_of_the_same_name(tmp_path: Path, group: str, kind: str) -> None:
    values, attributes = GROUPS[kind]
    paths = []
    for number in range(2):
        path = write(tmp_path / f"{number}.zarr", np.arange(3) + 3 * number, {"units": "hours since 2000-01-01"}, v=ones(3))
        paths.append(write(path, values, attributes, group=group, w=ones(3)))
    run("zdedup", "--dim", "t", "-o", tmp_path / "all.zarr", paths[0]).assert_done()
    run("zdedup", "--dim", "t", "--append-to", tmp_path / "all.zarr", paths[1]).assert_done()
    run("zdedup", "--dim", "t", "-o", tmp_path / "both.zarr", *paths).assert_done()
    for output in ("all.zarr", "both.zarr"):
        root = zarr.open(tmp_path / output)
        np.testing.assert_array_equal(root["t"][:], np.arange(6))
        np.testing.assert_array_equal(root[group]["t"][:], np.concatenate([values, values]))


def test_the_coordinate_of_a_group_can_conflict(tmp_path: Path) -> None:
    paths = []
    for number, (times, own) in enumerate([([1, 2, 3], [11, 12, 13]), ([3, 4], [99, 14])]):
        path = write(tmp_path / f"{number}.zarr", np.array(times), {}, v=ones(len(times)))
        paths.append(write(path, np.array(own), {}, group="sub"))
    report = run("zdedup", "--dim", "t", *paths)
    assert report.code == 1 and report.summary["conflicting"] == 1
    (conflict,) = report.of_type("conflict")
    assert (conflict["path"], conflict["max_abs_difference"]) == ("/sub/t", 86)
