"""How long the significance tests of a whole Table 1 take on one core.

    OMP_NUM_THREADS=1 python benchmarks/rank_tests.py

Cases, trainings and pairs are those of the paper: BRATS 210 HGG and 75 LGG, 3 setups at 4 batch
sizes; ACDC 100 ED and 100 ES, 3 setups, and I, marginal and leaf on 3 classes. Each pair is tested
on DSC and volume error, by ranks and by raw differences, with 100,000 random sign patterns, and the
ranks also exactly. A plain Python loop per draw is timed on a few hundred draws of the same tests.
"""

import argparse
import random
import time
from collections.abc import Callable

import numpy as np

from dicegrad.evaluation.ranks import DRAWS, sign_flip_test


def table1_differences(seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(rank differences, raw differences), one array of cases per test."""
    rng = np.random.default_rng(seed)
    sizes = [210] * 12 + [75] * 12 + [100] * 6  # full versus partial
    sizes += [100] * (3 * 3 * 2)  # pairs of losses x classes x groups
    raw = [rng.normal(0.1, 1, n) for n in sizes for _ in ("dsc", "volume error")]
    return [np.sign(d) for d in raw], raw


def python_loop(differences: np.ndarray, draws: int) -> float:
    """The test as one reads it in the paper: a draw at a time."""
    values = differences.tolist()
    observed = abs(sum(values))
    greater = 0
    for _ in range(draws):
        greater += abs(sum(d if random.random() < 0.5 else -d for d in values)) > observed
    return greater / draws


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Time the three ways and print their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--loop-draws", type=int, default=200)
    loop_draws = parser.parse_args().loop_draws
    ranks, raw = table1_differences()
    tests = [*ranks, *raw]
    drawn = seconds(lambda: [sign_flip_test(d, method="monte carlo") for d in tests])
    exact = seconds(lambda: [sign_flip_test(d, method="exact") for d in ranks])
    auto = seconds(lambda: [sign_flip_test(d) for d in tests])
    looped = seconds(lambda: [python_loop(d, loop_draws) for d in tests]) * DRAWS / loop_draws
    print(f"{len(tests)} tests ({len(ranks)} on ranks, {len(raw)} on raw differences)")
    print(f"all drawn, {DRAWS:,} draws each     {drawn:8.2f} s")
    print(f"ranks exact                       {exact:8.2f} s")
    print(f"as `compare` does (auto)          {auto:8.2f} s")
    print(f"Python loop ({loop_draws} draws scaled up) {looped:8.0f} s")
    print(f"the loop takes {looped / drawn:,.0f} times as long as drawing at once")


if __name__ == "__main__":
    main()
