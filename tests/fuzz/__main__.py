"""`python -m tests.fuzz 600 --seed 0`: read changed files for so many seconds."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.run import fuzz


def main() -> int:
    """0 if nothing but the project's own errors came out."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", help="name of the file of one reader, to try that alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dicegrad-fuzz-") as folder:
        until = time.monotonic() + options.seconds
        found = fuzz(
            Path(folder), options.seed, lambda number: time.monotonic() < until, options.reader
        )
    for fault in found.faults:
        print(f"{fault.reader}, number {fault.number}: {fault.what}\n{fault.trace}")
    for name, (read, refused) in sorted(found.counts.items()):
        print(f"{name:20} {read:7} read {refused:7} refused")
    total = sum(read + refused for read, refused in found.counts.values())
    slowest = f"slowest {found.slowest[0]:.2f} s ({found.slowest[1]})"
    print(f"seed {options.seed}: {total} files, {len(found.faults)} faults; {slowest}")
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
