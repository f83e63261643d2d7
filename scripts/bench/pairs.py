"""Shared by the benchmarks that compare a peer with commands of ours."""

import statistics
import sys
from pathlib import Path
from typing import Callable

from side_by_side import Case, comparison, emit, in_turn, say


def compare_pair(args, peer: Case, ours: Case, goal: str, check: Callable[[], None] = lambda: None, **more) -> None:
    compare_group(args, peer, [(ours, goal)], check, **more)


def compare_group(args, peer: Case, ours: list, check: Callable[[], None] = lambda: None, **more) -> None:
    """One warm-up round, whose results are checked, then the measured rounds; prints one JSON line for each (case, goal) of
    ours. With --rounds 0, the warm-up round is the measurement."""
    cases = [peer, *(case for case, _ in ours)]
    say(f"{', '.join(case.name for case in cases[1:])}:")
    others = in_turn(cases, 1)
    check()
    if args.rounds:
        for case in cases:
            case.forget()
        others = in_turn(cases, args.rounds, args.patience)
    for case, goal in ours:
        emit(
            bench=Path(sys.argv[0]).stem,
            case=case.name,
            peer=peer.name,
            **more,
            processor_ratio=round(statistics.median(peer.busy_seconds) / statistics.median(case.busy_seconds), 3),
            goal=goal,
            **comparison(peer, case, max(args.rounds, 1), others),
        )
