#!/usr/bin/env python3
"""Makes the results of run.sh from what the benchmarks printed.

    report.py DIR [--quick] [--page FILE]     reads DIR/raw.jsonl, writes DIR/results.jsonl and DIR/results.md

With --page, a table of lessons.py also replaces the one of its name in FILE, between `<!-- lessons: NAME -->` and `<!-- end -->`.
"""

import argparse
import itertools
import json
import re
from pathlib import Path

from machine import machine, versions
from rows import rows

NAMES = {
    "inspect": "zinspect",
    "recompress": "zrecompress: same chunks",
    "large_chunks": "zrecompress: large chunks",
    "rechunk": "zrecompress: other chunks",
    "point": "zpoint",
    "fetch": "zfetch",
    "pipeline": "The whole pipeline",
    "scaling": "How time grows",
}
HEAD = """# Results of the benchmarks

Made by `scripts/bench/run.sh`; what each case is, and how to read the figures, is in [the README](../README.md). A ratio above 1 means
that ours is better, except in "How time grows". **Missed** goals are in bold. "Others" is the largest share of the machine that
other processes had in a round.
"""
QUICK = """
**These are trial figures** (`--quick`: small data, few rounds), which show that the benchmarks run, not how fast anything is.
"""


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("out", type=Path, metavar="DIR")
    flags.add_argument("--quick", action="store_true", help="the figures are only a trial")
    flags.add_argument("--page", type=Path, help="page with tables to replace")
    args = flags.parse_args()
    out = args.out
    printed = map(json.loads, (out / "raw.jsonl").read_text().splitlines())
    records = [record for record in printed if "bench" in record]
    # A peer that is missing is reported by each benchmark that looks for it.
    unique = list(dict.fromkeys(json.dumps(row) for row in rows(records)))
    table = [json.loads(text) for text in unique]
    tables = [{"type": "lesson", **record} for record in records if record.get("bench") == "lessons" and "row" in record]
    series = [{"type": "series", **record} for record in records if record.get("bench") == "scaling" and "x" in record]
    faults = [{"type": "fault", **record} for record in records if record.get("bench") == "fetch_faults" and "fault" in record]
    about = machine(args.quick), versions()
    everything = [*about, *table, *series, *tables, *faults]
    (out / "results.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in everything))
    (out / "results.md").write_text(page(*about, table, series, tables, faults))
    if args.page:
        args.page.write_text(with_tables(args.page.read_text(), tables))


def page(about: dict, peers: dict, table: list, series: list, tables: list, faults: list) -> str:
    text = HEAD + (QUICK if about["quick"] else "")
    cores = f"{about['cores']} cores ({', '.join(about['instructions'])})"
    text += f"\n**Machine**: {about['processor']}, {cores}, {about['memory_gb']} GB, {about['system']}. "
    text += f"**Date**: {about['date']}, commit {about['commit']}.\n"
    text += "\n**Peers**: " + ", ".join(f"{name} {version}" for name, version in peers.items() if name != "type") + ".\n"
    goals = [row for row in table if row["met"] is not None]
    missed = [row for row in goals if not row["met"]]
    text += f"\n{len(goals)} goals: {len(goals) - len(missed)} met, {len(missed)} missed.\n"
    text += "\n![Ratios](ratios.svg)\n"
    for bench, group in itertools.groupby(sorted(table, key=lambda row: order(table, row)), key=lambda row: row["bench"]):
        text += f"\n## {NAMES.get(bench, bench)}\n"
        text += growth(list(group), series) if bench == "scaling" else "\n" + markdown(list(map(cells, group)))
    if faults:
        text += "\n## What happens when the server fails\n\n" + markdown(list(map(fault_cells, faults)))
    for name, group in itertools.groupby(tables, key=lambda record: record["table"]):
        text += f"\n## {name}\n\n" + lesson(group)
    return text


def lesson(records) -> str:
    return markdown([{words(key): value for key, value in record["row"].items()} for record in records])


def with_tables(text: str, tables: list) -> str:
    """A page with its tables made anew; those that were not measured stay."""
    for name, group in itertools.groupby(tables, key=lambda record: record["table"]):
        start, end = f"<!-- lessons: {name} -->\n", "<!-- end -->"
        made = start + lesson(group) + end
        text = re.sub(re.escape(start) + ".*?" + end, lambda _: made, text, flags=re.S)
    return text


def order(table: list, row: dict) -> int:
    """Benchmarks in the order in which they ran; missing peers stand with the others of theirs."""
    return next(at for at, each in enumerate(table) if each["bench"] == row["bench"])


VERDICT = {True: "met", False: "**missed**", None: ""}


def cells(row: dict) -> dict:
    return {
        "Case": row["case"],
        "Peer": row["peer"] or "",
        "Figure": row["figure"],
        "Ours": megabytes(row["ratio"]) if row["figure"] == "peak MB" else seconds(row.get("ours_seconds")),
        "Peer's": seconds(row.get("peer_seconds")),
        "Ratio": "" if row["figure"] == "peak MB" else ratio(row),
        "Goal": "" if row["goal"] == "none" else row["goal"],
        "": VERDICT[row["met"]],
        "Peak, ours": megabytes(row.get("ours_peak_mb"), row.get("peak_floor_mb", 0)),
        "Peak, peer's": megabytes(row.get("peer_peak_mb"), row.get("peak_floor_mb", 0)),
        "Others": "" if row.get("others_share") is None else f"{row['others_share']:.0%}",
    }


def ratio(row: dict) -> str:
    if row["ratio"] is None:
        return ""
    quartiles = row.get("quartiles")
    spread = f" ({quartiles[0]:.3g}–{quartiles[1]:.3g})" if quartiles and quartiles[0] != quartiles[1] else ""
    return f"{row['ratio']:.3g}{spread}"


def seconds(value) -> str:
    if value is None:
        return ""
    return f"{value * 1e3:.3g} ms" if value < 0.1 else f"{value:.3g} s"


def megabytes(value, floor=0) -> str:
    """What is not above the floor, the memory of the benchmark itself, may be less."""
    return "" if value is None else f"{'≤ ' if floor and value == floor else ''}{value:.0f} MB"


def growth(table: list, series: list) -> str:
    """A table for each thing that grows: seconds and peak memory, and the exponent of the last step."""
    text = "\n![How time and memory grow](scaling.svg)\n"
    for kind, group in itertools.groupby(series, key=lambda record: record["series"]):
        text += f"\n**{words(kind)}{' (ms)' if kind == 'latency' else ''}**\n\n" + markdown([grown(record, table) for record in group])
    left_out = [f"- {row['peer']}: {row['figure']}\n" for row in table if row["peer"]]
    return text + ("\n" + "".join(left_out) if left_out else "")


def grown(record: dict, table: list) -> dict:
    steps = zip(record["x"], record["seconds"], record["peak_mb"])
    row = next(row for row in table if row["case"].startswith(record["series"]) and row["case"].endswith(f": {record['case']}"))
    found = {"": record["case"]} | {f"{x:,}": f"{seconds(time)}, {megabytes(peak)}" for x, time, peak in steps}
    if row["ratio"] is None:
        return found
    return found | {"Exponent": row["ratio"], "Goal": row["goal"].replace("exponent ", ""), "Met": VERDICT[row["met"]]}


def fault_cells(record: dict) -> dict:
    names = ("exit", "seconds", "whole", "bad", "left")
    first = {"Fault": record["fault"], "Program": record["tool"], **{name.capitalize(): record[name] for name in names}}
    return first | {f"Second run: {name}": record["then"][name] for name in names}


def words(name: str) -> str:
    text = name.replace("_", " ").capitalize()
    return text.replace("Gb per second", "GB/s").replace(" mb", " MB").replace("Zarr python", "zarr-python")


def markdown(table: list) -> str:
    """Rows as a table; numbers to the right."""
    heads = list(table[0])
    numeric = [all(isinstance(row.get(head), (int, float)) for row in table) for head in heads]
    lines = ["| " + " | ".join(heads) + " |", "|" + "|".join("---:" if right else "---" for right in numeric) + "|"]
    lines += ["| " + " | ".join(str(row.get(head, "")).replace("|", "\\|").replace("\n", " ") for head in heads) + " |" for row in table]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
