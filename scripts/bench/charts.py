#!/usr/bin/env python3
"""Draws the results of run.sh; needs matplotlib.

    charts.py DIR     reads DIR/results.jsonl, writes DIR/ratios.svg and DIR/scaling.svg
"""

import json
import re
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
# The same input gives the same file; text stays text.
matplotlib.rcParams.update({"svg.hashsalt": "ztools", "svg.fonttype": "none", "font.size": 8})
matplotlib.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
import matplotlib.pyplot as plt  # noqa: E402

MET, MISSED, NO_GOAL = "#2a7f62", "#b5432e", "#9a9a9a"
BARS_HIGH = 0.19


def main() -> None:
    out = Path(sys.argv[1])
    records = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    ratios([record for record in records if record["type"] == "row" and record["figure"] == "seconds" and record["ratio"]], out)
    series = [record for record in records if record["type"] == "series"]
    if series:
        scaling(series, out)


def save(figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None, "Creator": None}, bbox_inches="tight")
    plt.close(figure)


def ratios(rows: list, out: Path) -> None:
    """A bar for each peer, its colour by the goal; the goal is a mark."""
    figure, axes = plt.subplots(figsize=(9, 1 + BARS_HIGH * len(rows)))
    colours = [NO_GOAL if row["met"] is None else MET if row["met"] else MISSED for row in rows]
    places = range(len(rows))
    axes.barh(places, [row["ratio"] - 1 for row in rows], left=1, color=colours, height=0.7)
    for place, row in zip(places, rows):
        if row["met"] is not None and (goal := re.search(r"([\d.]+)$", row["goal"])):
            axes.plot([float(goal[1])] * 2, [place - 0.45, place + 0.45], color="black", linewidth=1.2)
        axes.annotate(f"{row['ratio']:.3g}", (max(row["ratio"], 1), place), xytext=(3, -2.5), textcoords="offset points", fontsize=6)
    axes.set_yticks(places, [f"{row['bench']}: {row['case']} / {row['peer']}" for row in rows], fontsize=6)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.axvline(1, color="black", linewidth=0.5)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlabel("time of the peer / ours; above 1, ours is faster. Green: goal met, red: missed, grey: no goal; black mark: goal")
    save(figure, out / "ratios.svg")


def scaling(series: list, out: Path) -> None:
    """Time above, memory below, a column for each thing that grows."""
    kinds = list(dict.fromkeys(record["series"] for record in series))
    shape = {"squeeze": False, "sharex": "col", "sharey": "row"}
    figure, axes = plt.subplots(2, len(kinds), figsize=(2.1 * len(kinds), 5), **shape)
    for column, kind in enumerate(kinds):
        time, memory = axes[0][column], axes[1][column]
        for record in series:
            if record["series"] == kind:
                time.plot(record["x"], record["seconds"], marker="o", markersize=3, linewidth=1, label=record["case"])
                memory.plot(record["x"], record["peak_mb"], marker="o", markersize=3, linewidth=1)
        time.set_title(kind)
        time.legend(fontsize=5.5, frameon=False)
        memory.set_xlabel("ms" if kind == "latency" else kind)
        for each in (time, memory):
            each.set_yscale("log")
            if kind != "latency":
                each.set_xscale("log", base=2 if kind == "threads" else 10)
            each.grid(alpha=0.25, linewidth=0.5)
    axes[0][0].set_ylabel("seconds")
    axes[1][0].set_ylabel("peak memory, MB")
    figure.tight_layout()
    save(figure, out / "scaling.svg")


if __name__ == "__main__":
    main()
