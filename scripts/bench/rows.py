"""What the benchmarks printed, as rows of one shape: ours, the peer's, ratio (above 1: ours is better), goal, and whether it is met.

Each benchmark prints its own records; `rows` knows them. Goals that a benchmark does not print are in GOALS.
"""

import re
from typing import Iterator, Optional

# Scripts whose records have another name: their missing peers stand beside these.
BENCHES = {"zinspect": "inspect", "zrecompress": "recompress", "zpoint": "point", "zfetch": "fetch", "zfetch_faults": "fetch_faults"}
BENCHES |= {"lorenz_ens": "lorenz-ens"}
OURS_FIRST = re.compile(r"^(zrecompress|large chunks|zpoint)")
# bench, case, peer, goal of the ratio of seconds.
GOALS = [
    ("recompress", r"v2, --verify none$", "bare loop", "at least 0.95"),
    ("recompress", r"v2, --verify full$", "zrecompress v2, --verify none", "at least 0.8"),
    ("recompress", r"--auto", "zrecompress v2, defaults", "at least 1.67"),
    ("recompress", r"v3", "zarrs_reencode", "at least 1"),
    ("large_chunks", r"", "small chunks", "at least 0.9"),
    ("rechunk", r"", "rechunker|dask|strips|xarray", "at least 3"),
    ("point", r"^maps", "xarray$", "at least 20"),
    ("point", r"^maps", "tensorstore", "at least 7"),
    ("point", r"^wide", "xarray", "at least 30"),
    ("point", r"^points", "xarray", "at least 5"),
    ("fetch", r"", "s5cmd", "at least 1"),
    ("fetch", r"", "rclone", "at least 1.2"),
]
# bench, case, most memory of ours in MB.
MEMORY_GOALS = [
    ("recompress", r"^zrecompress", 100),
    ("rechunk", r"^zrecompress, --verify none$", 512),
    ("point", r"zpoint csv$", 100),
    ("fetch", r"zfetch$", 64),
]


def rows(records: list) -> Iterator[dict]:
    """The rows of all records that compare or measure ours; the records of a case without a peer have no ratio."""
    by_case = {(record["bench"], record["case"]): record for record in records if "case" in record}
    for record in records:
        bench = record.get("bench")
        if "skipped" in record or "failed" in record:
            yield skipped(record)
        elif "ours_seconds" in record or bench == "lorenz-ens":
            yield pair(record)
        elif bench in ("recompress", "large_chunks", "rechunk"):
            yield from rewriting(record, by_case)
        elif bench in ("point", "fetch"):
            yield from reading(record, by_case)
        elif bench == "scaling":
            yield growth(record)
        if limit := memory_goal(record):
            yield limit


def row(bench: str, case: str, peer: Optional[str], figure: str, ratio: Optional[float], goal: str, record: dict, **more) -> dict:
    made = {"type": "row", "bench": bench, "case": case, "peer": peer, "figure": figure, "ratio": ratio, "goal": goal}
    made |= {"met": met(goal, ratio), "rounds": record.get("rounds"), "others_share": record.get("others_share")}
    return made | more


def skipped(record: dict) -> dict:
    reason = f"skipped: {record['skipped']}" if "skipped" in record else f"failed: {record['failed']}"
    bench = BENCHES.get(record["bench"], record["bench"])
    made = {"type": "row", "bench": bench, "case": record.get("case", ""), "peer": record.get("peer")}
    return made | {"figure": reason, "ratio": None, "goal": "none", "met": None}


def pair(record: dict) -> dict:
    """The shape that `comparison` of side_by_side.py prints."""
    names = ("ours_seconds", "peer_seconds", "ours_peak_mb", "peer_peak_mb", "peak_floor_mb")
    more = {name: record[name] for name in names if name in record}
    more["quartiles"] = record.get("ratio_quartiles", record.get("ratio_least_and_most"))
    goal = record["goal"]
    made = row(record["bench"], record["case"], record["peer"], "seconds", record["ratio"], goal, record, **more)
    if under := re.match(r"under ([\d.]+) s", goal):
        made["met"] = record["ours_seconds"] < float(under[1])
    return made


def rewriting(record: dict, by_case: dict) -> Iterator[dict]:
    """A case and what it is compared with: `ratio_to` is the time of this case over the other's."""
    bench, case = record["bench"], record["case"]
    for other, value in record["ratio_to"].items():
        reference, quartiles = by_case[bench, other], record["ratio_quartiles"][other]
        if bench == "rechunk":  # everything is compared with ours
            yield compared(bench, reference, record, value, quartiles)
        elif OURS_FIRST.match(case):
            yield compared(bench, record, reference, round(1 / value, 3), [round(1 / each, 3) for each in reversed(quartiles)])


def reading(record: dict, by_case: dict) -> Iterator[dict]:
    """A peer of zpoint or zfetch; and, of ours, how many bytes it read."""
    bench, case = record["bench"], record["case"]
    task, _, program = case.partition(": ")
    for name, goal in (("stored_over_read", r"maps lz4"), ("stored_over_served", r"remote")):
        if program == "zpoint csv" and record.get(name) and re.match(goal, task):
            yield row(bench, case, "all stored bytes", "bytes read", record[name], "at least 6", record)
    if program == "zpoint csv" and task.startswith("maps zstd"):
        yield row(bench, case, "all stored bytes", "bytes read", record["stored_over_read"], "at least 20", record)
    if record.get("served_over_needed"):
        yield row(bench, case, "the touched chunks", "bytes read", round(1 / record["served_over_needed"], 4), "at least 0.98", record)
    ours = by_case.get((bench, f"{task}: {'zpoint csv' if bench == 'point' else 'zfetch'}"))
    if ours is None or ours is record or program == "zpoint npy":
        return
    ratio, quartiles = record["ratio"], record.get("ratio_quartiles")
    if bench == "point":
        ratio, quartiles = ratio["zpoint csv"], quartiles["zpoint csv"]
    yield compared(bench, ours, record, ratio, quartiles)
    if bench == "fetch" and program in ("s5cmd", "rclone"):
        yield row(bench, ours["case"], program, "processor seconds", record["processor_ratio"], "at least 1", record)


def compared(bench: str, ours: dict, peer: dict, ratio: float, quartiles: Optional[list]) -> dict:
    name = peer["case"].partition(": ")[2] or peer["case"]
    goal = next((goal for b, c, p, goal in GOALS if b == bench and re.search(c, ours["case"]) and re.search(p, name)), "none")
    more = {"ours_seconds": ours["seconds"], "peer_seconds": peer["seconds"], "quartiles": quartiles}
    more |= {"ours_peak_mb": peak_mb(ours), "peer_peak_mb": peak_mb(peer), "peak_floor_mb": ours.get("peak_floor_mb", 0)}
    return row(bench, ours["case"], name, "seconds", ratio, goal, ours, **more)


def growth(record: dict) -> dict:
    """A series of scaling.py: the exponent of its last decade."""
    last = record["exponents"][-1]
    case = f"{record['series']}, {record['x'][0]:,} to {record['x'][-1]:,}: {record['case']}"
    more = {"ours_seconds": record["seconds"][-1], "ours_peak_mb": record["peak_mb"][-1]}
    goal = record["goal"].replace("of the last decade ", "")
    return row("scaling", case, None, "exponent", last if goal != "none" else None, goal, record, **more)


def memory_goal(record: dict) -> Optional[dict]:
    for bench, case, limit in MEMORY_GOALS:
        if record.get("bench") == bench and re.search(case, record.get("case", "")) and "peak_mb" in record:
            return row(bench, record["case"], None, "peak MB", peak_mb(record), f"at most {limit}", record)
    return None


def peak_mb(record: dict) -> float:
    """The peak that the tool itself reports, if it does: that of a child is never below that of the benchmark (side_by_side.py)."""
    summary = record.get("checks") or record.get("told") or {}
    return round(summary["peak_memory_bytes"] / 1e6, 1) if "peak_memory_bytes" in summary else record["peak_mb"]


def met(goal: str, figure: Optional[float]) -> Optional[bool]:
    bound = re.search(r"(at least|at most|: )\s*(-?[\d.]+)$", goal)
    if figure is None or not bound:
        return None
    return figure <= float(bound[2]) if bound[1] == "at most" else figure >= float(bound[2])
