"""Run the tools and read the records that they print."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import schemas

REPO = Path(__file__).resolve().parents[2]
FIXTURES = REPO / "tests/fixtures"
BROKEN = FIXTURES / "broken"
SHARED_DATA = REPO.parent / "shared/data"

FIXTURE_STORES = (
    "v2-codecs.zarr",
    "v2-dtypes.zarr",
    "v2-layout.zarr",
    "v2-layout-plain.zarr",
    "v3-codecs.zarr",
    "v3-dtypes.zarr",
    "v3-sharded.zarr",
    "deep.zarr",
    "typesize1.zarr",
    "weather-v2.zarr",
)
# Real ERA5: in full where it lies beside the repository, else thinned (see real.py).
REAL_STORES = ("era5-uk-v2.zarr", "era5-uk-v3-sharded.zarr", "era5-uk-packed-v2.zarr")
XARRAY_STORES = ("weather-v2.zarr", *REAL_STORES)

# Longer than any run here should take, so that a hang fails instead of lasting.
TIMEOUT_SECONDS = 300


@dataclass(frozen=True)
class Run:
    """A finished process: its exit code, its records and what it said."""

    code: int
    records: list[dict]
    stdout: str
    stderr: str

    def of_type(self, kind: str) -> list[dict]:
        """The records of one type, in the order of the stream."""
        return [record for record in self.records if record["type"] == kind]

    @property
    def summary(self) -> dict:
        """The last record, which every stream must end with."""
        return self.records[-1]

    def assert_ends_well_formed(self) -> None:
        """One summary, at the end, that agrees with the exit code and with the error records."""
        assert [record["type"] for record in self.records].count("summary") == 1, self.stdout
        assert self.summary["type"] == "summary", self.stdout
        assert self.summary["exit"] == self.code, self.summary
        assert self.summary["errors"] == len(self.of_type("error")), self.stdout

    def assert_done(self) -> None:
        """The run ended with 0 and without an error record."""
        assert self.code == 0, f"exit {self.code}\n{self.stderr}\n{self.stdout}"
        self.assert_ends_well_formed()
        assert self.summary["errors"] == 0, self.stdout


def binary(tool: str) -> Path:
    """The tool in ZTOOLS_BIN, or where `cargo build` leaves it."""
    path = Path(os.environ.get("ZTOOLS_BIN", REPO / "target/debug")) / tool
    assert path.is_file(), f"{path} is missing: build it, or set ZTOOLS_BIN"
    return path


def run(tool: str, *args: str | Path) -> Run:
    """Run a tool with JSON lines as its output. Every line has to parse, and to follow the schema of the records."""
    command = [binary(tool), "--json", *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    # Of long streams, the first and the last records.
    faults = schemas.faults(records[:200] + records[200:][-200:])
    assert not faults, f"{command}\n" + "\n".join(faults[:5])
    return Run(done.returncode, records, done.stdout, done.stderr)
