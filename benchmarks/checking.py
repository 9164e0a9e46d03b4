"""Processor time of `dicegrad check` in one or more checkouts of the project, in turns.

    python benchmarks/checking.py data/acdc . ../dicegrad-of-yesterday

Finds the cases of a dataset and reads and checks every file of them, in one process. Processor
time is little changed by what else the machine does.
"""

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path


def check(checkout: Path, adapter: str, root: Path, options: list[str]) -> float:
    """Seconds of the processor that one check takes.

    Raises:
        CalledProcessError: The data are not sound.
    """
    environment = {**os.environ, "PYTHONPATH": str(checkout.resolve()), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "dicegrad.cli", "check", adapter, str(root.resolve())]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*command, *options], env=environment, cwd=checkout, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the seconds of every turn, and the fastest of each checkout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("checkouts", type=Path, nargs="+")
    parser.add_argument("--adapter", default="acdc")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    seconds: dict[Path, list[float]] = {checkout: [] for checkout in options.checkouts}
    for _ in range(options.turns):
        for checkout, found in seconds.items():
            has_jobs = (checkout / "dicegrad" / "cli" / "check.py").exists()
            jobs = ["--jobs", "1"] if has_jobs else []
            found.append(check(checkout, options.adapter, options.root, jobs))
            print(f"{checkout}: {found[-1]:.1f} s", flush=True)
    for checkout, found in seconds.items():
        print(f"{checkout}: at best {min(found):.1f} s of {len(found)} turns")


if __name__ == "__main__":
    main()
