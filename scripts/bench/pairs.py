"""Shared by the benchmarks that compare one peer with one of our commands."""

import statistics
import sys
from pathlib import Path
from typing import Callable

from side_by_side import Case, comparison, emit, in_turn, say


def compare_pair(args, peer: Case, ours: Case, goal: str, check: Callable[[], None] = lambda: None, **more) -> None:
    """One warm-up round, whose results are checked, then the measured rounds; prints one JSON line. With --rounds 0, the
    warm-up round is the measurement."""
    say(f"{ours.name}:")
    others = in_turn([peer, ours], 1)
    check()
    if args.rounds:
        for case in (peer, ours):
            case.forget()
        others = in_turn([peer, ours], args.rounds, args.patience)
    emit(
        bench=Path(sys.argv[0]).stem,
        case=ours.name,
        peer=peer.name,
        **more,
        processor_ratio=round(statistics.median(peer.busy_seconds) / statistics.median(ours.busy_seconds), 3),
        goal=goal,
        **comparison(peer, ours, max(args.rounds, 1), others),
    )
