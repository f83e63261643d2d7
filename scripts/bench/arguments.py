"""Shared by all benchmarks: the flags that they have in common."""

import argparse


def arguments(doc: str, rounds: int, patience: int = 20, space: str = "", sizes: tuple = ()) -> argparse.ArgumentParser:
    """A parser with the common flags, and `sizes`: (flag, default, help) of the amounts of data. `space` is what --work needs."""
    flags = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--rounds", type=int, default=rounds, help=f"measured rounds (default {rounds}), after one warm-up round")
    flags.add_argument("--patience", type=int, default=patience, help=f"disturbed rounds to repeat, in total (default {patience})")
    for flag, default, text in sizes:
        flags.add_argument(flag, type=type(default), default=default, help=f"{text} (default {default:,})")
    flags.add_argument("--only", default="", help="regular expression: the cases to run")
    where = f"directory to use and keep{', ' + space if space else ''} (default: a temporary one in /dev/shm)"
    flags.add_argument("--work", help=where)
    flags.add_argument("--no-build", action="store_true", help="use the existing binaries")
    return flags
