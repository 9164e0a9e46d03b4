"""`python -m tests.fuzz 600 --seed 0`: read changed files for so many seconds."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.run import Found, fuzz


def main() -> int:
    """0 if nothing but the project's own errors came out."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("seconds", type=float, nargs="?", default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", help="name of the file of one reader, to try that alone")
    parser.add_argument("--number", type=int, help="with --reader, one change to try again")
    parser.add_argument("--keep", type=Path, help="folder for the files that were faults")
    options = parser.parse_args()
    if options.number is not None and options.reader is None:
        parser.error("--number needs --reader")
    until = time.monotonic() + options.seconds

    def go_on(number: int) -> bool:
        if options.number is not None:
            return number == options.number
        return time.monotonic() < until

    with tempfile.TemporaryDirectory(prefix="dicegrad-fuzz-") as folder:
        first = options.number or 0
        found = fuzz(Path(folder), options.seed, go_on, options.reader, first, options.keep)
    return _show(found, options.seed)


def _show(found: Found, seed: int) -> int:
    for fault in found.faults:
        print(f"{fault.reader}, number {fault.number}: {fault.what}\n{fault.trace}")
        again = f"--seed {seed} --reader {fault.reader} --number {fault.number}"
        print(f"  once more: python -m tests.fuzz {again} --keep FOLDER")
    for name, (read, refused) in sorted(found.counts.items()):
        print(f"{name:20} {read:7} read {refused:7} refused")
    total = sum(read + refused for read, refused in found.counts.values())
    slowest = f"slowest {found.slowest[0]:.2f} s ({found.slowest[1]})"
    print(f"seed {seed}: {total} files, {len(found.faults)} faults; {slowest}")
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
