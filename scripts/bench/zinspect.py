#!/usr/bin/env python3
"""zinspect against zarr-python on stores of many arrays: whole processes, in turn, with the same question for both.

    scripts/bench/zinspect.py [--rounds N] [--arrays N] [--patience N] [--work DIR] [--no-build]

Prints one JSON line per case; README.md explains the numbers.
"""

import argparse

from side_by_side import TARGET, Case, build, comparison, emit, in_turn, peers_python, say, stores, workspace

# The fastest code that a user of zarr-python would write to visit every array.
PEER = """
import json, sys, zarr
group = zarr.open_group(sys.argv[1], mode="r", use_consolidated=sys.argv[2] == "consolidated")
for name, array in sorted(group.arrays()):
    seen = "/" + name, array.shape, array.chunks, array.dtype.str, len(array.compressors)
    print(json.dumps(seen))
"""


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--rounds", type=int, default=5, help="measured rounds (default 5), after one warm-up round")
    flags.add_argument("--arrays", type=int, default=3930, help="arrays in each store (default 3930)")
    flags.add_argument("--patience", type=int, default=20, help="disturbed rounds to repeat, in total (default 20)")
    flags.add_argument("--work", help="directory to use and keep (default: a temporary one in /dev/shm)")
    flags.add_argument("--no-build", action="store_true", help="use the existing binary")
    args = flags.parse_args()
    if not args.no_build:
        build(["-p", "zinspect"])
    with workspace(args.work) as work:
        data = work / f"features-{args.arrays}"
        if not data.exists():
            say(f"making four stores of {args.arrays} arrays")
            stores("features", data, args.arrays)
        for version in ("v2", "v3"):
            for kind in ("consolidated", "plain"):
                compare(work, data, version, kind, args)


def compare(work, data, version, kind, args):
    say(f"{version}, {kind}:")
    store = data / (f"{version}-consolidated.zarr" if kind == "consolidated" else f"{version}.zarr")
    zinspect = [TARGET / "release/zinspect", "--json"]
    ours = [
        Case("sample 1 (default)", [*zinspect, store], work / "ours-1"),
        Case("sample 0 (metadata only)", [*zinspect, "--sample", "0", store], work / "ours-0"),
    ]
    peer = Case("zarr-python", [peers_python(), "-c", PEER, store, kind], work / "peer")
    in_turn([*ours, peer], 1)  # warms the caches and keeps the answers for the comparison
    stores("same", args.arrays, peer.stdout, *(case.stdout for case in ours))
    for case in [*ours, peer]:
        case.forget()
    others = in_turn([*ours, peer], args.rounds, args.patience)
    for case in ours:
        emit(
            bench="inspect",
            case=f"{version} {kind}, {case.name}",
            arrays=args.arrays,
            **comparison(peer, case, args.rounds, others),
        )


if __name__ == "__main__":
    main()
