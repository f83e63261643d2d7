#!/usr/bin/env python3
"""The tables of the article (README.md names it), measured with these tools: threads of a chunk, workers × threads, batch sizes,
Amdahl's law.

    scripts/bench/lessons.py [--rounds N] [--steps N] [--files N] [--only REGEX] [--work DIR] [--no-build]

threads     decoding one chunk with 1 thread and with all (zinspect --bench), and as many chunks side by side (bare_loop), for
            chunks of 1 to 32 blocks; whether the number of threads that wrote a chunk changes it, or how fast zarr-python reads it
workers     zrecompress with workers × threads, on many chunks of 4 MB and on one of 100 MB
batches     one point of 69 file_ids in batches of 3, 10 and 69 (zpoint, xarray with dask), and zrecompress in less and less memory
amdahl      the speed-up on all cores, predicted from a run on one, and measured
arithmetic  what the article's own figures give: nothing is measured
Prints one JSON line per row of a table; README.md explains the numbers.
"""

import json
import math
import re
import shutil
import statistics
import subprocess

from arguments import arguments
from side_by_side import CORES, HERE, TARGET, Case, build, emit, in_turn, python_with, say, workspace

BIN = TARGET / "release"
MAPS = ["--grid", "90:-90:721,0:359.75:1440", "--file-ids", "1", "--variables", "1", "--verify", "none", "--json"]
FILES = ["--grid", "90:-90:61,0:357:120", "--times", "24", "--variables", "8", "--verify", "none", "--json"]
VARIANTS = {
    "lz4, level 5": ["--cname", "lz4", "--clevel", "5"],
    "zstd, level 3": ["--cname", "zstd", "--clevel", "3"],
    "zstd, level 9": ["--cname", "zstd", "--clevel", "9"],
    "zstd, level 3, blocks of 2 MiB": ["--cname", "zstd", "--clevel", "3", "--blocksize", "2M"],
    "zstd, level 3, one block": ["--cname", "zstd", "--clevel", "3", "--blocksize", "8M"],
    "gzip": ["--codec", "gzip"],
}


def main():
    sizes = [("--steps", 48, "maps of 2 MB"), ("--files", 69, "file_ids of the batches")]
    args = arguments(__doc__, rounds=5, space="500 MB", sizes=sizes).parse_args()
    if not args.no_build:
        build(["--workspace", "--bins", "--locked"], ["-p", "zcodec", "--example", "bare_loop"])
    tables = {"threads": threads, "workers": workers, "batches": batches, "amdahl": amdahl, "arithmetic": arithmetic}
    with workspace(args.work) as work:
        for name, table in tables.items():
            if re.search(args.only, name):
                say(f"{name}:")
                table(work, args)


def row(table, **cells):
    emit(bench="lessons", table=table, cores=CORES, row=cells)


def tool(name, *words):
    """The records that a tool prints."""
    command = [str(word) for word in (BIN / name, *words)]
    return [json.loads(line) for line in subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()]


def maps(work, steps, *flags):
    """A store of t2m in maps (721, 1440) of int16, two to a chunk, or as many as the flags want."""
    name = "-".join(re.sub(r"\W+", "", str(word)) for word in ("lesson-maps", steps, *flags))
    if not (work / name).exists():
        tool("lorenz-ens", *MAPS, "--times", steps, *flags, "-o", work / name)
    return work / name / "batch_00.zarr"


def measured(cases, args):
    """The cases after their rounds, and the share of other processes."""
    others = in_turn(cases, 1)
    if args.rounds:
        for case in cases:
            case.forget()
        others = in_turn(cases, args.rounds, args.patience)
    return others


def recompressed(work, source, name, *flags):
    """The store in another codec, made once."""
    output = work / f"lesson-{re.sub(r'[^a-z0-9]+', '-', name)}.zarr"
    if not output.exists():
        tool("zrecompress", source, output, "--json", "--verify", "none", *flags)
    return output


def threads(work, args):
    source = maps(work, args.steps, "--cname", "lz4")
    for name, flags in VARIANTS.items():
        decoding(name, recompressed(work, source, f"{name} of {args.steps}", *flags), args)
    python = python_with("zarr", "PIPELINE_PEERS_PYTHON", "peers-venv")
    counts = [1, 8]
    written = [recompressed(work, source, f"written by {n} of {args.steps}", "-j", 1, "--nthreads", n) for n in counts]
    read = [python, HERE / "lessons_peers.py", "read"]
    reads = [Case(f"zarr-python, {n}", [*read, path], work / "read.out") for n, path in zip(counts, written)]
    others = measured(reads, args) if python else None
    for count, path, case in zip(counts, written, reads):
        chunk = next(record for record in tool("zinspect", "--json", "--var", "t2m", path) if record["type"] == "chunk")
        row(
            "The number of threads that wrote a chunk",
            nthreads_of_writer=count,
            blocks=chunk["blocks"],
            block_bytes=chunk["block_bytes"],
            stored_bytes=chunk["stored_bytes"],
            zarr_python_seconds=round(case.median, 3) if python else "skipped: no zarr-python",
            others_share=others,
        )


def decoding(name, store, args):
    """The fastest of the rounds, which other processes disturb the least."""
    inside, across, chunk = {}, {}, {}
    for _ in range(max(args.rounds, 1)):
        for record in tool("zinspect", "--json", "--bench", "--var", "t2m", store):
            if record["type"] == "chunk":
                chunk = record
            elif record["type"] == "bench" and record["mode"] == "inside":
                inside[record["threads"]] = max(inside.get(record["threads"], 0), record["gb_per_second"])
        for count in (1, CORES) if chunk["format"] == "blosc" else ():
            loop = json.loads(subprocess.check_output([BIN / "examples/bare_loop", store / "t2m", str(count)]))
            across[count] = min(across.get(count, math.inf), loop["seconds"])
    blocks, most = chunk.get("blocks", 1), chunk.get("max_threads", 1)
    row(
        "Threads inside a chunk of 4.15 MB, and chunks side by side",
        codec=name,
        blocks=blocks,
        most_threads=most,
        gb_per_second_of_one_thread=inside[1],
        **{
            f"speedup_of_{CORES}_threads_at_best": round(blocks / math.ceil(blocks / min(CORES, most)), 2),
            f"speedup_of_{CORES}_threads": round(inside[CORES] / inside[1], 2),
            f"speedup_of_{CORES}_chunks_side_by_side": round(across[1] / across[CORES], 2) if across else "not measured",
        },
    )


def workers(work, args):
    out = work / "lesson-workers.zarr"
    layouts = {"chunks of 4 MB": maps(work, args.steps, "--cname", "lz4")}
    megabytes = args.steps * 721 * 1440 * 2 // 10**6
    layouts[f"one chunk of {megabytes} MB"] = maps(work, args.steps, "--cname", "lz4", "--chunks", f"time={args.steps}")
    pairs = sorted({(1, 1), (1, CORES), (CORES, 1), (CORES, CORES)})
    for layout, source in layouts.items():
        flags = ["--json", "--overwrite", "--verify", "none", "--max-memory", "4G"]
        cases = [
            Case(f"{layout}: {j} x {n}", [BIN / "zrecompress", source, out, *flags, "-j", j, "--nthreads", n], work / "workers.out")
            for j, n in pairs
        ]
        others = measured(cases, args)
        for (j, n), case in zip(pairs, cases):
            row(
                "Workers × threads: zrecompress",
                chunks=layout,
                workers=j,
                threads_of_a_chunk=n,
                seconds=round(case.median, 3),
                speedup=round(cases[0].median / case.median, 2),
                processor_seconds=round(statistics.median(case.busy_seconds), 2),
                peak_mb=round(case.peak_mb, 1),
                others_share=others,
            )
    shutil.rmtree(out, ignore_errors=True)


def batches(work, args):
    archive = work / f"lesson-files-{args.files}"
    if not archive.exists():
        tool("lorenz-ens", *FILES, "--file-ids", args.files, "-o", archive)
    store, python = archive / "batch_00.zarr", python_with("xarray, dask, zarr", "PIPELINE_PEERS_PYTHON", "peers-venv")
    cases = []
    for size in (3, 10, args.files):
        ours = Case(f"zpoint, {size}", point(work, store, size, args.files), work / "b.out")
        cases.append((size, "zpoint, a process for each batch", ours))
        if python:
            command = [python, HERE / "lessons_peers.py", "batches", store, size]
            cases.append((size, "xarray + dask, .load() of each batch", Case(f"xarray, {size}", command, work / "b.out")))
    others = measured([case for _, _, case in cases], args)
    for size, program, case in cases:
        row(
            "Batch sizes: one point of all file_ids",
            program=program,
            file_ids_in_a_batch=size,
            batches=math.ceil(args.files / size),
            seconds=round(case.median, 3),
            peak_mb=round(case.peak_mb, 1),
            others_share=others,
        )
    memory(work, args)


def point(work, store, size, files):
    """A process of zpoint for each batch, one after another."""
    one = '"$3" "$4" --lat 0 --lon 10 --isel "file_id=$at:$((at + $2))" -q -o "$5" --overwrite'
    loop = f'at=0; while [ "$at" -lt "$1" ]; do {one} || exit; at=$((at + $2)); done'
    return ["sh", "-c", loop, "sh", files, size, BIN / "zpoint", store, work / "batch.csv"]


def memory(work, args):
    """The same work in less and less memory: what a batch is to these tools."""
    source, out = maps(work, args.steps, "--cname", "lz4"), work / "lesson-memory.zarr"
    limits = ["2G", "128M", "64M", "40M"]
    chunks = ["--chunks", f"time={args.steps},latitude=103,longitude=90"]
    flags = ["--json", "--overwrite", "--verify", "none", *chunks]
    cases = [Case(limit, [BIN / "zrecompress", source, out, *flags, "--max-memory", limit], work / "m.out") for limit in limits]
    others = measured(cases, args)
    for limit, case in zip(limits, cases):
        row(
            "Batch sizes: zrecompress --chunks with --max-memory",
            max_memory=limit,
            seconds=round(case.median, 3),
            peak_mb=round(case.peak_mb, 1),
            others_share=others,
        )
    shutil.rmtree(out, ignore_errors=True)


def amdahl(work, args):
    """The parallel part of a run on one thread is the time of its phases; the rest is serial."""
    source, out = maps(work, args.steps, "--cname", "lz4"), work / "lesson-amdahl.zarr"
    flags = ["--json", "--timing", "--verify", "none", "--overwrite", "--nthreads", 1]
    runs = {jobs: [tool("zrecompress", source, out, *flags, "-j", jobs)[-1] for _ in range(max(args.rounds, 1))] for jobs in (1, CORES)}
    shutil.rmtree(out, ignore_errors=True)
    seconds = {jobs: statistics.median(run["seconds"] for run in each) for jobs, each in runs.items()}
    phases = "decode_seconds", "encode_seconds", "read_seconds", "write_seconds"
    parallel = statistics.median(sum(run[name] for name in phases) / run["seconds"] for run in runs[1])
    speedups("zrecompress, 2 maps of 2 MB to a chunk", min(parallel, 1), 1 / (1 - parallel + parallel / CORES), seconds[1] / seconds[CORES])
    for members in (30, 4096, 65536):
        methods = tool("lorenz-ens", "--json", "--members", members, "--scaling=1," + str(CORES))
        by_jobs = {record["jobs"]: record for record in methods if record.get("method") == "parallel"}
        one, all_cores = by_jobs[1], by_jobs[max(by_jobs)]
        predicted = all_cores["predicted_speedup"] / one["predicted_speedup"]
        speedups(f"lorenz-ens, {members:,} members", None, predicted, all_cores["speedup"] / one["speedup"])


def speedups(work, parallel, predicted, measured_speedup):
    row(
        f"Amdahl's law: {CORES} threads against one",
        work=work,
        parallel_share=round(parallel, 3) if parallel is not None else "startup of threads is serial",
        predicted=round(predicted, 2),
        measured=round(measured_speedup, 2),
    )


def arithmetic(work, args):
    """Lesson 9: 600 s of loading and 600 s of extraction on one thread; lesson 11: 22 batches in rounds."""
    for count, theirs in ((1, 600), (8, 75), (16, 38), (32, 15), (64, 10), (96, 8)):
        row(
            "The article's workers, by Amdahl's law (seconds of a batch; not measured)",
            workers=count,
            extraction_in_the_article=theirs,
            extraction_at_best=round(600 / count, 1),
            whole_batch=round(600 + 600 / count, 1),
            speedup=round(1200 / (600 + 600 / count), 2),
        )
    for name, count, seconds, theirs in (("8 × 12", 8, 1500, 4125), ("16 × 6", 16, 1550, 2131)):
        row(
            "The article's workers × threads, in whole rounds (not measured)",
            workers_times_threads=name,
            rounds=math.ceil(22 / count),
            seconds_in_the_article=theirs,
            seconds=math.ceil(22 / count) * seconds,
        )


if __name__ == "__main__":
    main()
