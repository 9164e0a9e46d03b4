"""`python -m tests.faults 200 --seed 0`: so many faults, a line for each, and a table."""

import argparse
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.faults.kinds import KINDS
from tests.faults.study import Base
from tests.faults.trial import SAME, TOLD, Outcome, try_fault


def main() -> int:
    """0 if every fault came out as promised."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=200, help="how many faults")
    parser.add_argument("--seed", type=int, default=0, help="decides faults and moments")
    parser.add_argument("--first", type=int, default=0, help="number of the first fault")
    parser.add_argument("--only", type=int, nargs="+", help="numbers of the faults to try again")
    parser.add_argument("--at-once", type=int, default=1, help="how many studies run at a time")
    parser.add_argument("--folder", type=Path, help="where to; kept if given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dicegrad-faults-") as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        base = Base.make(folder)
        print(f"a step of the study takes {base.pace:.1f} s", flush=True)
        outcomes = []
        with ThreadPoolExecutor(options.at_once) as pool:
            numbers = options.only or range(options.first, options.first + options.count)
            jobs = [
                pool.submit(try_fault, base, folder / f"fault-{number}", options.seed, number)
                for number in numbers
            ]
            for job in as_completed(jobs):
                outcomes.append(job.result())
                _show(outcomes[-1])
        return _summarise(outcomes, options.seed)


def _show(outcome: Outcome) -> None:
    head = f"{outcome.number:4}  {outcome.kind}  [{outcome.told}]  {outcome.seconds:.0f} s"
    print(f"{head}\n      {outcome.result}", flush=True)
    if outcome.of_snakemake:
        print("      (with a traceback of Snakemake's own)", flush=True)
    for line in outcome.lines:
        print(f"      | {line[:300]}", flush=True)


def _summarise(outcomes: list[Outcome], seed: int) -> int:
    print(f"\nseed {seed}, {len(outcomes)} faults")
    for name in KINDS:
        found = Counter(each.result.split(":")[0] for each in outcomes if each.kind == name)
        if found:
            words = ", ".join(f"{count} {what}" for what, count in sorted(found.items()))
            print(f"  {name}: {words}")
    tried = [each for each in outcomes if not each.result.startswith("not tried")]
    bad = [each for each in tried if not each.good]
    counts = Counter(each.result for each in tried if each.good)
    print(
        f"{len(tried)} tried: {counts[SAME]} {SAME}; {counts[TOLD]} {TOLD}; {len(bad)} not as "
        f"promised{': ' + ', '.join(str(each.number) for each in bad) if bad else ''}"
    )
    if own := [each.number for each in tried if each.of_snakemake]:
        print(f"with a traceback of Snakemake's own: {', '.join(map(str, own))}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
