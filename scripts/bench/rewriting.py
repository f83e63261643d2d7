"""Shared by the benchmarks that write a store: cases that remove their previous output, comparison of outputs, records."""

import json
import shutil
import statistics
import sys

from side_by_side import CORES, TARGET, Case, emit, floor_mb, in_turn, ratio, say, stores

OUT = object()  # placeholder for the output path in a command


def writing(work, name, command):
    """A case whose output and sidecar files are removed before each run. `complete` makes the output readable after the run,
    if the command does not."""
    label = name.replace(",", "").replace(" ", "_")
    output = work / f"{label}.zarr"
    command = [output if word is OUT else word for word in command]
    case = Case(name, command, work / f"{label}.out", before=lambda: remove(output))
    case.output, case.complete = output, lambda: None
    return case


def zrecompress(work, name, src, *flags):
    return writing(work, name, [TARGET / "release/zrecompress", src, OUT, "--json", "--timing", *flags])


def remove(output):
    for path in output.parent.glob(output.name + "*"):
        shutil.rmtree(path)


def measure(cases, sources, rounds, patience):
    """One warm-up round, whose outputs must decode to the values of the sources, then the measured rounds.

    Gives every case its `stored_mb`; returns the largest share of other processes.
    """
    in_turn(cases, 1)
    for case in cases:
        case.complete()
    same_values([*sources, *(case.output for case in cases)])
    for case in cases:
        case.stored_mb = size_mb(case.output)
        case.forget()
    others = in_turn(cases, rounds, patience)
    for case in cases:
        remove(case.output)
    return others


def same_values(directories):
    digests = stores("digest", *directories)
    if len(set(digests.values())) != 1:
        sys.exit(f"the values differ: {json.dumps(digests, indent=1)}")
    say("  all outputs decode to the values of the sources")


def size_mb(directory):
    return round(sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()) / 1e6, 1)


def report(bench, case, references, decoded_bytes, rounds, others):
    ratios = {reference.name: ratio(case, reference) for reference in references if reference is not case}
    emit(
        bench=bench,
        case=case.name,
        seconds=round(case.median, 3),
        mb_per_second=round(decoded_bytes / 1e6 / case.median),
        ratio_to={name: median for name, (median, _) in ratios.items()},
        ratio_quartiles={name: quartiles for name, (_, quartiles) in ratios.items()},
        processor_seconds=round(statistics.median(case.busy_seconds), 2),
        cores_busy=round(case.cores_busy, 2),
        peak_mb=round(case.peak_mb, 1),
        peak_floor_mb=floor_mb(),
        stored_mb=case.stored_mb,
        phases=phases(case),
        cores=CORES,
        rounds=rounds,
        others_share=others,
    )


def phases(case):
    """Seconds of the last round by phase, summed over the threads, if the command prints them on its last line."""
    lines = case.stdout.read_text().splitlines()
    try:
        summary = json.loads(lines[-1])
    except (IndexError, ValueError):
        return {}
    names = ("read", "decode", "gather", "encode", "write", "verify")
    return {name: summary[f"{name}_seconds"] for name in names if f"{name}_seconds" in summary}
