#!/usr/bin/env python3
"""zinspect against zarr-python on stores of many arrays: whole processes, in turn, with the same question for both.

    scripts/bench/zinspect.py [--rounds N] [--arrays N] [--patience N] [--only REGEX] [--work DIR] [--no-build]

Prints one JSON line per case; README.md explains the numbers.
"""


import re

from arguments import arguments
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
    sizes = [("--arrays", 3930, "arrays in each store")]
    args = arguments(__doc__, rounds=5, sizes=sizes).parse_args()
    if not args.no_build:
        build(["-p", "zinspect"])
    with workspace(args.work) as work:
        data = work / f"features-{args.arrays}"
        if not data.exists():
            say(f"making four stores of {args.arrays} arrays")
            stores("features", data, args.arrays)
        for version in ("v2", "v3"):
            for kind in ("consolidated", "plain"):
                if re.search(args.only, f"{version} {kind}"):
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
            peer=peer.name,
            goal="at least 10",
            arrays=args.arrays,
            **comparison(peer, case, args.rounds, others),
        )


if __name__ == "__main__":
    main()
