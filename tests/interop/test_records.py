"""What the tools print, against the JSON Schemas in man/schema, by a validator of another project."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import schemas
from ztools import BROKEN, FIXTURES, TIMEOUT_SECONDS, binary, run

WEATHER = FIXTURES / "weather-v2.zarr"
ERA5 = FIXTURES / "era5-uk-v2.zarr"
SHARDED = FIXTURES / "v3-sharded.zarr"
POINT = ("--lat", "51.5", "--lon", "-0.1")

# Fields that need a remote store, a small memory, or a store that only other tests make.
ELSEWHERE = {
    "array.chunk_lengths",
    "cache_entry.reason",
    "check.fill_share",
    "choice.reason",
    "compare.amplification",
    "compare.chunks_failed",
    "compare.chunks_skipped",
    "group.not_understood",
    "summary_zdedup.bad_chunks_copied",
    "summary_zdedup.unmatched",
    "summary_zrecompress.bad_chunks_copied",
    "summary_zrecompress.checks",
}


def archive(directory: Path) -> list[Path]:
    """Batches with duplicates, missing and damaged chunks."""
    grid = ("--grid", "40:30:5,0:10:6", "--batches", "6", "--times", "4")
    assert run("lorenz-ens", *grid, "--faults", "-o", directory / "archive").code == 0
    return sorted((directory / "archive").glob("*.zarr"))


def collide(directory: Path) -> list[Path]:
    """Two stores with the same times, which differ in a value, and a third after a gap."""
    stores = [directory / f"collide_{number}.zarr" for number in range(2)]
    for store in stores:
        shutil.copytree(ERA5, store)
    damaged = sorted((stores[1] / "t2m").glob("[0-9]*"))[0]
    other = sorted((stores[1] / "t2m").glob("[0-9]*"))[-1]
    if damaged.stat().st_size != other.stat().st_size:
        shutil.copy(other, damaged)
    return stores


def damage(path: Path) -> None:
    """Changes a byte in the middle of an object."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def steps(tool: str, output: Path, *arguments: str | Path) -> list[tuple]:
    """An output in two parts, some of them twice."""
    options = {"zfetch": ("--to", output), "zdedup": ("-o", output), "lorenz-ens": ("-o", output)}.get(tool, (output,))
    lines = [(tool, "--prepare", "--parts", "2", *arguments, *options)]
    lines += [(tool, *step, *options) for step in [("--part", "1/2"), ("--part", "1/2"), ("--status",), ("--part", "2/2")]]
    return [*lines, (tool, "--finish", *options), (tool, "--finish", *options)]


def commands(work: Path) -> list[tuple[str, ...]]:
    """Command lines that print every type of record, with and without failures."""
    batches = archive(work)
    one, two = collide(work)
    cache = work / "cache"
    points = work / "points.csv"
    points.write_text("id,lat,lon\nlondon,51.5,-0.1\nfar,-80,0\n")
    damaged = work / "damaged.txt"
    damaged.write_text(f"{work / 'f.zarr'}/t2m/0.0.0\n")
    rain = work / "rain.zarr"
    shutil.copytree(batches[1], rain)
    shutil.move(rain / "t2m", rain / "tp2")
    (rain / ".zmetadata").unlink(missing_ok=True)
    shard = work / "damaged-shard.zarr"
    assert run("zrecompress", WEATHER, shard, "--zarr-format", "3", "--chunks", "time=1", "--shards", "time=12").code == 0
    damage(next(path for path in sorted((shard / "t2m").rglob("*")) if path.is_file() and path.name != "zarr.json"))
    lines: list[tuple] = [
        ("zinspect", WEATHER, "--sizes", "--sample", "9", "-v", "--attributes", "--zarrs", "--timing"),
        ("zinspect", FIXTURES / "v2-codecs.zarr", FIXTURES / "v3-codecs.zarr", FIXTURES / "v2-dtypes.zarr", SHARDED),
        ("zinspect", FIXTURES / "v3-dtypes.zarr", FIXTURES / "deep.zarr", FIXTURES / "v2-layout.zarr", "--zarrs"),
        ("zinspect", *sorted(path for path in BROKEN.iterdir() if path.is_dir()), "--sizes", "--check-consolidated"),
        ("zinspect", WEATHER, "--bench", "--var", "t2m", "--var", "u10", "--sizes"),
        ("zinspect", work / "absent.zarr"),
        ("zrecompress", "-n", WEATHER, work / "a.zarr"),
        ("zrecompress", "-n", WEATHER, work / "a.zarr", "--chunks", "time=-1,latitude=13,longitude=20"),
        ("zrecompress", WEATHER, work / "a.zarr", "--timing"),
        ("zrecompress", WEATHER, work / "a.zarr", "--resume"),
        ("zrecompress", WEATHER, work / "shards.zarr", "--zarr-format", "3", "--chunks", "time=1", "--shards", "time=12"),
        ("zrecompress", "-n", WEATHER, work / "b.zarr", "--zarr-format", "3", "--chunks", "time=1", "--shards", "time=12"),
        ("zrecompress", "--trial", "--var", "t2m", "--var", "time", WEATHER, "--nthreads", "2"),
        ("zrecompress", WEATHER, ERA5, "--out-dir", work / "many"),
        *steps("zrecompress", work / "parts.zarr", WEATHER),
        *steps("zfetch", work / "parts-f.zarr", WEATHER),
        *steps("zdedup", work / "parts-d.zarr", "--dim", "file_id", *batches[:2]),
        *steps("lorenz-ens", work / "parts-l.zarr", "--members", "8", "--steps", "20"),
        ("zrecompress", WEATHER, ERA5, BROKEN / "bitflip-chunk.zarr", "--out-dir", work / "many", "--resume"),
        ("zrecompress", BROKEN / "bitflip-chunk.zarr", work / "bad.zarr"),
        ("zfetch", "-n", WEATHER, "--to", work / "f.zarr", "--sel", "time=2020-01-15T10"),
        ("zfetch", "-v", WEATHER, "--to", work / "f.zarr", "--sel", "time=2020-01-15T10"),
        ("zfetch", WEATHER, "--to", work / "f.zarr", "--sel", "time=2020-01-15T10", "--repair", damaged),
        ("zfetch", WEATHER, "--cache", cache, *POINT),
        ("zfetch", WEATHER, "--cache", cache, *POINT),
        ("zfetch", "cache", "list", "--cache", cache),
        ("zfetch", "cache", "path", "--cache", cache),
        ("zfetch", "cache", "verify", "--cache", cache),
        ("zfetch", "cache", "pin", "weather*", "--cache", cache),
        ("zfetch", "cache", "unpin", "weather*", "--cache", cache),
        ("zfetch", "cache", "evict", "-n", "weather*", "--cache", cache),
        ("zfetch", "cache", "evict", "weather*", "--cache", cache),
        ("zpoint", WEATHER, *POINT),
        ("zpoint", WEATHER, "-n", *POINT),
        ("zpoint", ERA5, "-v", "--points", points, "--out-of-bounds", "null", "-o", work / "points-series.csv"),
        ("zpoint", WEATHER, *POINT, "-o", work / "series.csv"),
        ("zpoint", WEATHER, *POINT, "-o", work / "series.parquet", "--timing"),
        ("zvalidate", *batches, "--expect-chunks", "all"),
        ("zvalidate", WEATHER, "--level", "list", "--map", "-"),
        ("zvalidate", *sorted(path for path in BROKEN.iterdir() if path.is_dir())),
        ("zvalidate", one, "--against", two),
        ("zvalidate", one, "--against", one, "--rtol", "0.1"),
        ("zvalidate", WEATHER, "--write-manifest", work / "manifest.jsonl"),
        ("zvalidate", WEATHER, "--manifest", work / "manifest.jsonl"),
        ("zvalidate", shard),
        ("zdedup", "--dim", "file_id", *batches),
        ("zdedup", "--dim", "file_id", batches[0], batches[4]),
        ("zdedup", "--dim", "file_id", "--merge", batches[1], rain),
        ("zdedup", "-v", "--dim", "file_id", "-o", work / "all-v.zarr", *batches[:2]),
        ("zdedup", "--dim", "time", one, two),
        ("zdedup", "-n", "--dim", "file_id", "-o", work / "all.zarr", *batches[:2]),
        ("zdedup", "--dim", "file_id", "--var", "msl", "-o", work / "all.zarr", *batches[:2]),
        ("lorenz-ens", "--members", "3", "--steps", "20", "--every", "10"),
        ("lorenz-ens", "--members", "3", "--steps", "20", "--every", "10", "--stats"),
        ("lorenz-ens", "--members", "3", "--steps", "2000", "--stats", "-o", work / "stats.csv"),
        ("lorenz-ens", "--members", "9", "--steps", "20", "--compare"),
        ("lorenz-ens", "--members", "3", "--steps", "200", "--dt", "0.2"),
        ("lorenz-ens", "--members", "3", "--steps", "20", "-o", work / "ens.zarr"),
        ("lorenz-ens", "-n", "--members", "3", "--steps", "20", "-o", work / "ens2.zarr"),
        ("lorenz-ens", "--grid", "40:30:5,0:10:6", "--batches", "2", "--times", "4", "-o", work / "grid"),
        ("lorenz-ens", "--grid", "40:30:5,0:10:6", "--batches", "2", "--times", "4", "--faults", "-o", work / "faults"),
    ]
    return lines


@pytest.fixture(scope="module")
def streams(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict], Path]:
    """The records of all command lines."""
    work = tmp_path_factory.mktemp("records")
    records = []
    for tool, *arguments in commands(work):
        # The flag comes last, because of subcommands.
        command = [binary(tool), *arguments, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
        assert done.returncode in (0, 1, 3, 4, 5), f"{command}: {done.returncode}\n{done.stderr}"
        records += [json.loads(line) for line in done.stdout.splitlines()]
    return records, work


@pytest.mark.parametrize("name", ["records", "columns", "manifest"])
def test_the_schemas_are_schemas(name: str) -> None:
    Draft202012Validator.check_schema(schemas.published(name))


def test_every_record_follows_the_schema(streams: tuple[list[dict], Path]) -> None:
    records, _ = streams
    assert schemas.faults(records) == []
    open_to_all = Draft202012Validator(schemas.published("records"))
    assert all(open_to_all.is_valid(record) for record in records)


def test_every_type_of_record_was_printed(streams: tuple[list[dict], Path]) -> None:
    records, _ = streams
    types = {kind for kind in schemas.published("records")["$defs"] if not kind.startswith("summary_")}
    assert {record["type"] for record in records} == types


def test_every_field_was_printed(streams: tuple[list[dict], Path]) -> None:
    """A field that no tool prints any more is found here."""
    records, _ = streams
    described, printed = set(), set()
    for kind, definition in schemas.published("records")["$defs"].items():
        described |= {f"{kind}.{field}" for field in definition["properties"]}
    for record in records:
        printed |= {f"{record['type']}.{field}" for field in record}
        if record["type"] == "summary":
            printed |= {f"summary_{record['tool']}.{field}" for field in record}
    assert described - printed == ELSEWHERE


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_lines_of_files_follow_their_schemas(streams: tuple[list[dict], Path]) -> None:
    _, work = streams
    manifest = lines(work / "manifest.jsonl")
    assert {line["type"] for line in manifest} == set(schemas.published("manifest")["$defs"])
    assert schemas.faults(manifest, "manifest") == []
    columns = lines(work / "series.csv.columns.jsonl")
    assert len(columns) > 5 and schemas.faults(columns, "columns") == []


def test_the_check_finds_what_is_wrong() -> None:
    record = run("zvalidate", "--level", "list", WEATHER).of_type("finding")[0]
    assert schemas.faults([record]) == []
    for change in [{"severity": "bad"}, {"count": "12"}, {"indices": [1]}, {"v": 2}, {"surprise": 1}, {"type": "fund"}]:
        assert len(schemas.faults([record | change])) > 0, change
    assert len(schemas.faults([{key: value for key, value in record.items() if key != "hint"}])) == 1
    summary = run("zinspect", WEATHER).summary
    assert schemas.faults([summary]) == []
    for change in [{"arrays": -1}, {"verdict_ok": "all"}, {"rows": 1}, {"tool": "zvalidate"}]:
        assert len(schemas.faults([summary | change])) > 0, change


def test_readers_of_the_schema_may_meet_newer_records() -> None:
    open_to_all = Draft202012Validator(schemas.published("records"))
    record = run("zvalidate", "--level", "list", WEATHER).of_type("finding")[0]
    assert open_to_all.is_valid(record | {"surprise": 1})
    assert open_to_all.is_valid({"type": "fund", "v": 1})
    assert not open_to_all.is_valid(record | {"count": "12"})
