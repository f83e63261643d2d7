"""zdedup --merge: stores with other variables for the same values, judged by xarray's merge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from test_dedup import TIMES, assert_same, batch, decoded, expected, save
from ztools import run

DIM = ["zdedup", "--dim", "file_id"]


def rain(ids) -> xr.Dataset:
    """The other source: precipitation, on the grid of `batch`, with a static field of its own."""
    weather = batch(ids)
    dataset = weather[["flag"]].assign(
        tp=(weather.t2m - 280).assign_attrs(units="mm"), orography=weather.mask.astype("f4").assign_attrs(units="m")
    )
    return dataset.assign_attrs(title="batches", source="gauges")


def save_rain(dataset: xr.Dataset, path: Path, layout: str) -> Path:
    encoding = {"tp": {"chunks": (1, TIMES, 3, 4)}}
    if layout == "v3-sharded":
        encoding["tp"]["shards"] = (1, TIMES, 6, 8)
    dataset.to_zarr(path, zarr_format=int(layout[1]), encoding=encoding)
    return path


def sources(tmp_path: Path, layout: str, weather: list, gauges: list) -> tuple[list[Path], list[Path]]:
    first = [save(batch(ids), tmp_path / f"weather{n}.zarr", layout) for n, ids in enumerate(weather)]
    second = [save_rain(rain(ids), tmp_path / f"rain{n}.zarr", layout) for n, ids in enumerate(gauges)]
    return first, second


@pytest.mark.parametrize("layout", ["v2", "v3", "v3-sharded"])
def test_two_sources_become_one_store(tmp_path: Path, layout: str) -> None:
    """They are cut into other batches, and both hold values twice."""
    first, second = sources(tmp_path, layout, [[0, 1, 2, 3], [3, 4, 5]], [[0, 1], [1, 2, 3, 4], [5]])
    stores = [first[0], second[0], first[1], *second[1:]]
    done = run(*DIM, "--merge", "-o", tmp_path / "all.zarr", *stores)
    done.assert_done()
    summary = done.summary
    assert (summary["merged"], summary["unique"], summary["duplicates"], summary["kept"]) == (2, 6, 2, 6)
    assert (summary["identical"], summary["conflicting"]) == (2, 0)
    wanted = xr.merge([expected(decoded(first)), expected(decoded(second))], combine_attrs="drop_conflicts", compat="identical")
    assert_same(tmp_path / "all.zarr", wanted)
    # All but the coordinate and the variables of one dimension is copied: two variables, 4 chunks or 1 shard a value.
    assert summary["copied"] >= 2 * 6
    report = run(*DIM, "--merge", *stores)
    assert report.code == 1 and report.summary["merged"] == 2


def test_values_in_another_order_are_brought_together(tmp_path: Path) -> None:
    first, second = sources(tmp_path, "v3", [[0, 1, 2], [3, 4]], [[4, 3], [2, 0], [1]])
    run(*DIM, "--merge", "-o", tmp_path / "all.zarr", *first, *second).assert_done()
    wanted = xr.merge([expected(decoded(first)), expected(decoded(second)).sortby("file_id")], combine_attrs="drop_conflicts")
    assert_same(tmp_path / "all.zarr", wanted)


def test_missing_values_stop_the_merge(tmp_path: Path) -> None:
    first, second = sources(tmp_path, "v3", [[0, 1, 2]], [[0, 1, 2, 3]])
    refused = run(*DIM, "--merge", "-o", tmp_path / "all.zarr", *first, *second)
    assert refused.code == 1 and "1 value of file_id" in refused.stderr and "/t2m" in refused.stderr
    assert not (tmp_path / "all.zarr").exists()
    report = run(*DIM, "--merge", *first, *second)
    assert (report.code, report.summary["unmatched"], report.summary["duplicates"]) == (1, 1, 0)


def test_shared_variables_must_agree(tmp_path: Path) -> None:
    first, second = sources(tmp_path, "v3", [[0, 1, 2]], [[0, 1]])
    other = rain([2])
    other["flag"] = ~other["flag"]
    second.append(save_rain(other, tmp_path / "other.zarr", "v3"))
    refused = run(*DIM, "--merge", "-o", tmp_path / "all.zarr", *first, *second)
    assert refused.code == 1 and "different data" in refused.stderr and not (tmp_path / "all.zarr").exists()
    conflicts = refused.of_type("conflict")
    assert [(record["value"], record["path"]) for record in conflicts] == [("2", "/flag")]
    # Without it, nothing is shared.
    run(*DIM, "--merge", "--var", "t2m", "--var", "tp", "-o", tmp_path / "two.zarr", *first, *second).assert_done()
    with xr.open_zarr(tmp_path / "two.zarr") as found:
        assert set(found.data_vars) == {"t2m", "tp"}
        np.testing.assert_array_equal(found.tp.values, (found.t2m - 280).values)


def test_other_grids_are_not_merged(tmp_path: Path) -> None:
    first, _ = sources(tmp_path, "v3", [[0, 1]], [])
    shifted = rain([0, 1])
    shifted = shifted.assign_coords(lat=shifted.lat + 1)
    path = save_rain(shifted, tmp_path / "shifted.zarr", "v3")
    refused = run(*DIM, "--merge", "-o", tmp_path / "all.zarr", *first, path)
    assert refused.code == 5 and "lat" in refused.stderr and not (tmp_path / "all.zarr").exists()


def test_formats_are_not_mixed(tmp_path: Path) -> None:
    first, _ = sources(tmp_path, "v3", [[0, 1]], [])
    path = save_rain(rain([0, 1])[["tp"]].drop_vars(["label", "time", "lat", "lon"]), tmp_path / "v2.zarr", "v2")
    refused = run(*DIM, "--merge", "-o", tmp_path / "all.zarr", *first, path)
    assert refused.code == 5 and "Zarr" in refused.stderr and not (tmp_path / "all.zarr").exists()


def test_parts_and_resume(tmp_path: Path) -> None:
    first, second = sources(tmp_path, "v3", [[0, 1, 2, 3]], [[0, 1], [2, 3]])
    output = tmp_path / "all.zarr"
    run(*DIM, "--merge", "--prepare", "--parts", "3", "-o", output, *first, *second).assert_done()
    for part in (3, 1, 2):
        run("zdedup", "--part", f"{part}/3", "-o", output).assert_done()
    run("zdedup", "--finish", "-o", output).assert_done()
    wanted = xr.merge([decoded(first)[0], expected(decoded(second))], combine_attrs="drop_conflicts")
    # It differs between all stores; xarray has dropped it from the second source before it saw the first.
    del wanted.attrs["history"]
    assert_same(output, wanted)
    again = run(*DIM, "--merge", "--resume", "-o", output, *first, *second)
    again.assert_done()


def test_the_same_variables_need_no_merge(tmp_path: Path) -> None:
    first, _ = sources(tmp_path, "v3", [[0, 1], [2]], [])
    done = run(*DIM, "--merge", "-o", tmp_path / "all.zarr", *first)
    done.assert_done()
    assert "all stores have the same variables" in done.stderr
    assert_same(tmp_path / "all.zarr", expected(decoded(first)))
    without = run(*DIM, "-o", tmp_path / "other.zarr", *first, save_rain(rain([3]), tmp_path / "r.zarr", "v3"))
    assert without.code == 5 and "--merge" in without.stderr


def store(path: Path, variables: dict, ids=(0, 1), coords=None, attrs=None) -> Path:
    """A small store; variables by name: dimensions and values, or also attributes."""
    dataset = xr.Dataset(variables, coords={"file_id": list(ids), **(coords or {})}, attrs=attrs or {})
    for name in dataset.data_vars:
        dataset[name].encoding["_FillValue"] = None
    dataset.to_zarr(path, zarr_format=2)
    return path


def test_attributes_are_those_of_the_first_group(tmp_path: Path) -> None:
    """Those that differ between stores of the second group are dropped there, and nothing else."""
    packed = np.array([0, 1], dtype="i2")
    first = store(tmp_path / "a.zarr", {"p": (("file_id",), packed, {"scale_factor": 2.0}), "t": (("file_id",), [0.0, 1.0])}, attrs={"a": 1, "b": 2})
    plain = {"p": (("file_id",), packed[:1], {"scale_factor": 2.0, "note": "x"}), "r": (("file_id",), [5.0])}
    other = {"p": (("file_id",), packed[1:], {"scale_factor": 2.0, "note": "y"}), "r": (("file_id",), [6.0])}
    second = [store(tmp_path / "b.zarr", plain, [0], attrs={"a": 1, "c": 3}), store(tmp_path / "c.zarr", other, [1], attrs={"a": 2})]
    run(*DIM, "--merge", "-o", tmp_path / "all.zarr", first, *second).assert_done()
    with xr.open_zarr(tmp_path / "all.zarr") as found:
        assert list(found.p.values) == [0.0, 2.0] and list(found.r.values) == [5.0, 6.0]
        assert found.attrs == {"b": 2, "c": 3}


@pytest.mark.parametrize("flags", [[], ["--compare", "none"], ["--keep", "last"], ["--prefer", "b*"]])
def test_no_rule_decides_between_groups(tmp_path: Path, flags: list[str]) -> None:
    first = store(tmp_path / "a.zarr", {"flag": (("file_id",), [1, 1]), "t": (("file_id",), [0.0, 1.0])})
    second = store(tmp_path / "b.zarr", {"flag": (("file_id",), [2, 2]), "r": (("file_id",), [0.0, 1.0])})
    refused = run(*DIM, "--merge", *flags, "-o", tmp_path / "all.zarr", first, second)
    assert refused.code == 1 and "in variables that several stores have" in refused.stderr, refused.stderr
    assert not (tmp_path / "all.zarr").exists()


def test_values_that_cannot_be_compared_stop_the_merge(tmp_path: Path) -> None:
    first = store(tmp_path / "a.zarr", {"x": (("file_id",), [1.0, 1.0], {"units": "K"}), "t": (("file_id",), [0.0, 1.0])})
    second = store(tmp_path / "b.zarr", {"x": (("file_id",), [1.0, 1.0], {"units": "degC"}), "r": (("file_id",), [0.0, 1.0])})
    refused = run(*DIM, "--merge", "-o", tmp_path / "all.zarr", first, second)
    assert refused.code == 1 and "could not be compared" in refused.stderr and not (tmp_path / "all.zarr").exists()
    assert refused.of_type("error")


def test_all_groups_are_compared_with_each_other(tmp_path: Path) -> None:
    first = store(tmp_path / "a.zarr", {"t": (("file_id",), [0.0, 1.0])})
    second = store(tmp_path / "b.zarr", {"r": (("file_id",), [0.0, 1.0]), "q": (("file_id",), [5.0, 5.0])})
    third = store(tmp_path / "c.zarr", {"s": (("file_id",), [0.0, 1.0]), "q": (("file_id",), [9.0, 5.0])})
    refused = run(*DIM, "--merge", "-o", tmp_path / "all.zarr", first, second, third)
    assert refused.code == 1 and "1 value of file_id with different data" in refused.stderr
    assert [(record["path"], record["value"]) for record in refused.of_type("conflict")] == [("/q", "0")]


def test_what_no_reader_could_open_is_refused(tmp_path: Path) -> None:
    first = store(tmp_path / "a.zarr", {"t": (("file_id", "lat"), np.zeros((2, 3))), "mask": (("file_id", "lat"), np.zeros((2, 3)))}, coords={"lat": [0, 1, 2]})
    longer = store(tmp_path / "b.zarr", {"r": (("file_id", "lat"), np.zeros((2, 5)))})
    refused = run(*DIM, "--merge", "-o", tmp_path / "all.zarr", first, longer)
    assert refused.code == 5 and "the dimension lat has length" in refused.stderr
    static = store(tmp_path / "c.zarr", {"r": (("file_id",), [0.0, 1.0]), "mask": (("lat",), np.zeros(3))}, coords={"lat": [0, 1, 2]})
    refused = run(*DIM, "--merge", "-o", tmp_path / "all.zarr", first, static)
    assert refused.code == 5 and "/mask" in refused.stderr and "along file_id" in refused.stderr
    group = store(tmp_path / "d.zarr", {"t": (("file_id",), [0.0, 1.0])})
    xr.Dataset({"y": (("z",), [1.0])}).to_zarr(group / "x", zarr_format=2)
    array = store(tmp_path / "e.zarr", {"x": (("file_id",), [0.0, 1.0])})
    refused = run(*DIM, "--merge", "-o", tmp_path / "all.zarr", group, array)
    assert refused.code == 5 and "/x is a group in the first store" in refused.stderr
    assert not (tmp_path / "all.zarr").exists()


def test_raw_copies_are_checked_in_each_group(tmp_path: Path) -> None:
    def chunked(path: Path, name: str, ids: list[int]) -> Path:
        dataset = xr.Dataset({name: (("file_id", "lat"), np.zeros((len(ids), 3)))}, coords={"file_id": ids})
        dataset[name].encoding["chunks"] = (2, 3)
        dataset.to_zarr(path, zarr_format=2)
        return path

    first = chunked(tmp_path / "a.zarr", "t", [0, 1, 2, 3])
    second = [chunked(tmp_path / "b.zarr", "r", [0]), chunked(tmp_path / "c.zarr", "r", [1, 2, 3])]
    refused = run(*DIM, "--merge", "--copy", "raw", "-o", tmp_path / "all.zarr", first, *second)
    assert refused.code == 2 and "/r" in refused.stderr and not (tmp_path / "all.zarr").exists()
