"""Shared by all benchmarks: the flags that they have in common."""

import argparse


class Arguments(argparse.ArgumentParser):
    def parse_args(self, *given):
        args = super().parse_args(*given)
        if args.most_rounds is not None:
            args.rounds = min(args.rounds, args.most_rounds)
        return args


def arguments(doc: str, rounds: int, patience: int = 20, space: str = "", sizes: tuple = ()) -> argparse.ArgumentParser:
    """A parser with the common flags, and `sizes`: (flag, default, help) of the amounts of data. `space` is what --work needs."""
    flags = Arguments(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--rounds", type=int, default=rounds, help=f"measured rounds (default {rounds}), after one warm-up round")
    flags.add_argument("--most-rounds", type=int, help="no more than these, whatever --rounds is")
    flags.add_argument("--patience", type=int, default=patience, help=f"disturbed rounds to repeat, in total (default {patience})")
    for flag, default, text in sizes:
        flags.add_argument(flag, type=type(default), default=default, help=f"{text} (default {default:,})")
    flags.add_argument("--only", default="", help="regular expression: the cases to run")
    where = f"directory to use and keep{', ' + space if space else ''} (default: a temporary one in /dev/shm)"
    flags.add_argument("--work", help=where)
    flags.add_argument("--no-build", action="store_true", help="use the existing binaries")
    return flags
