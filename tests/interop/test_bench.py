"""The table of the benchmarks (scripts/bench): what they print becomes rows with goals, the stores of scaling.py are Zarr, and
the object server lists what is there."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import zarr

BENCH = Path(__file__).parents[2] / "scripts/bench"
sys.path.append(str(BENCH))
import object_server  # noqa: E402
import pipeline  # noqa: E402
import scaling_data  # noqa: E402
from rows import met, rows  # noqa: E402

PAIR = {"bench": "zvalidate", "case": "list", "peer": "find", "ratio": 0.4, "ours_seconds": 2.0, "peer_seconds": 0.8}
PAIR |= {"goal": "at least 0.5", "ours_peak_mb": 20.0, "peer_peak_mb": 10.0, "rounds": 3, "others_share": 0.01}


def rewriting(case: str, seconds: float, ratio_to: dict) -> dict:
    quartiles = {name: [value, value] for name, value in ratio_to.items()}
    more = {"ratio_to": ratio_to, "ratio_quartiles": quartiles, "peak_mb": 120.0, "rounds": 1, "others_share": 0}
    return {"bench": "recompress", "case": case, "seconds": seconds, **more}


@pytest.mark.parametrize(
    "goal, figure, expected",
    [("at least 20", 20.0, True), ("at least 20", 19.9, False), ("exponent at most -0.8", -0.9, True), ("none", 3.0, None)]
    + [("exponent at most 1.1", 1.2, False), ("at least 1", None, None)],
)
def test_a_goal_is_met_or_missed(goal, figure, expected):
    assert met(goal, figure) is expected


def test_a_loss_and_a_missing_peer_are_rows():
    loss, missing = rows([PAIR, {"bench": "zfetch", "peer": "s5cmd", "skipped": "not installed"}])
    assert (loss["ratio"], loss["met"], loss["others_share"]) == (0.4, False, 0.01)
    assert (missing["bench"], missing["peer"], missing["figure"]) == ("fetch", "s5cmd", "skipped: not installed")


def test_a_time_that_should_be_short_is_compared_with_its_limit():
    (row,) = rows([PAIR | {"goal": "under 1 s"}])
    assert row["met"] is False
    (row,) = rows([PAIR | {"goal": "under 1 s", "ours_seconds": 0.9}])
    assert row["met"] is True


def test_ratios_of_rewriting_are_turned_around_and_memory_has_a_goal():
    bare = rewriting("bare loop", 1.0, {})
    ours = rewriting("zrecompress v2, --verify none", 1.25, {"bare loop": 1.25})
    found = list(rows([bare, ours]))
    assert [(row["figure"], row["ratio"], row["met"]) for row in found] == [("seconds", 0.8, False), ("peak MB", 120.0, False)]


def test_the_report_counts_missed_goals_and_replaces_tables_of_a_page(tmp_path):
    lesson = {"bench": "lessons", "table": "Threads", "cores": 2, "row": {"codec": "lz4", "gb_per_second_of_one_thread": 9}}
    series = {"bench": "scaling", "series": "arrays", "case": "zinspect", "goal": "exponent of the last decade at most 1.1"}
    series |= {"x": [10, 100], "seconds": [0.1, 2.0], "exponents": [1.3], "peak_mb": [10.0, 20.0], "rounds": 1, "others_share": 0}
    (tmp_path / "raw.jsonl").write_text("".join(json.dumps(record) + "\n" for record in (PAIR, series, lesson)))
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- lessons: Threads -->\nold\n<!-- end -->\nafter\n")
    command = [sys.executable, BENCH / "report.py", tmp_path, "--quick", "--page", page]
    subprocess.run(list(map(str, command)), check=True)
    text = (tmp_path / "results.md").read_text()
    assert "2 goals: 0 met, 2 missed." in text and "trial figures" in text
    assert "| list | find | seconds | 2 s | 0.8 s | 0.4 | at least 0.5 | **missed** |" in text
    assert "| zinspect | 0.1 s, 10 MB | 2 s, 20 MB | 1.3 | at most 1.1 | **missed** |" in text
    expected = "| Codec | GB/s of one thread |\n|---|---:|\n| lz4 | 9 |\n"
    assert page.read_text() == f"before\n<!-- lessons: Threads -->\n{expected}<!-- end -->\nafter\n"
    types = [json.loads(line)["type"] for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert types == ["machine", "versions", "row", "row", "series", "lesson"]


@pytest.mark.parametrize("make", [scaling_data.missing_chunks, scaling_data.stored_chunks, scaling_data.inner_chunks])
def test_stores_of_many_chunks_are_read_by_zarr_python(tmp_path, make):
    store = scaling_data.once(tmp_path / "made.zarr", lambda path: make(path, 5))
    values = zarr.open_group(store, mode="r")["t2m"][:]
    last = np.arange(scaling_data.VALUES, dtype="f4")
    assert values.shape == (5 * scaling_data.VALUES,) and (values[-scaling_data.VALUES :] == last).all()
    first_is_missing = np.isnan(values[: scaling_data.VALUES]).all()
    assert first_is_missing == (make is not scaling_data.stored_chunks)


def test_a_store_of_many_arrays_is_read_by_zarr_python(tmp_path):
    store = scaling_data.once(tmp_path / "made.zarr", lambda path: scaling_data.arrays(path, 3))
    arrays = dict(zarr.open_group(store, mode="r").arrays())
    assert sorted(arrays) == ["feature_000000", "feature_000001", "feature_000002"]
    assert (arrays["feature_000002"][:] == np.arange(scaling_data.VALUES)).all()


@pytest.mark.parametrize(
    "prefix, delimiter, keys, folders",
    [
        ("", "/", ["top"], ["a.zarr/", "ab.zarr/"]),
        ("a", "/", [], ["a.zarr/", "ab.zarr/"]),
        ("a.zarr/", "/", ["a.zarr/zarr.json"], ["a.zarr/t/"]),
        ("a.zarr/t", "", ["a.zarr/t/c/0", "a.zarr/t/zarr.json"], []),
        ("a.zarr/zarr.json", "", ["a.zarr/zarr.json"], []),
        ("nothing/", "/", [], []),
        ("../", "", [], []),
    ],
)
def test_the_object_server_lists_a_folder(tmp_path, prefix, delimiter, keys, folders):
    for key in ("a.zarr/zarr.json", "a.zarr/t/zarr.json", "a.zarr/t/c/0", "ab.zarr/zarr.json", "top"):
        path = tmp_path / "bucket" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(key)
    server = SimpleNamespace(root=tmp_path, etag=lambda path, status: "etag")
    answer = object_server.listing(server, "bucket", {"prefix": [prefix], "delimiter": [delimiter]})
    assert re.findall("<Contents><Key>(.*?)</Key>", answer) == keys
    assert re.findall("<CommonPrefixes><Prefix>(.*?)</Prefix>", answer) == folders


def test_the_batches_of_the_pipeline_have_26_duplicates():
    ids = [number for text in pipeline.RANGES for number in range(*map(int, text.split(":")))]
    assert (len(pipeline.RANGES), len(ids), len(set(ids))) == (22, 95, 69)
