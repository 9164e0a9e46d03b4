"""How long Snakemake takes to plan a study, and how much memory, by the number of its jobs.

    python benchmarks/planning.py                     200, 2,000 and 20,000 jobs
    python benchmarks/planning.py 500 --folds 10      another size

Each study is a table of experiments on the heart phantom, nothing of it done yet; an experiment of
five folds is 11 jobs. Time and memory are those of `snakemake -n`, in a process of its own; where
the machine is busy with other things, the CPU time is the one to look at.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[1]
HEADER = "dataset\tlabeling\tloss\tphi\tepsilon\tbatch_size\n"


def write_study(folder: Path, jobs: int, folds: int) -> Path:
    """A study of about so many jobs; returns its config file."""
    count = max(1, round(jobs / (2 * folds + 1)))
    phis, sizes = ("I", "CI", "BI", "BCI"), range(1, 11)
    epsilons = range(1, 2 + count // (2 * len(phis) * len(sizes)))
    rows = list(product(("full", "partial"), phis, sizes, epsilons))[:count]
    lines = [f"heart\t{labeling}\tdice\t{phi}\t{e}\t{size}\n" for labeling, phi, size, e in rows]
    (folder / "experiments.tsv").write_text(HEADER + "".join(lines))
    config = {
        "study": "planning",
        "experiments": "experiments.tsv",
        "datasets": {"heart": {"folds": {"count": folds, "method": "modulo"}}},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder / "config.yaml"


def plan(folder: Path, config: Path) -> tuple[int, float, float, float]:
    """Jobs, seconds, seconds of CPU and MB of one dry run."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
    command += ["-n", "--quiet", "rules", "reason", "host", "--directory", str(folder)]
    command += ["--configfile", str(config)]
    output = folder / "plan.txt"
    with output.open("w") as file:
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=file)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
    text = output.read_text()
    if status != 0:
        raise SystemExit(text[-2000:])
    total = int(re.findall(r"^total +(\d+)", text, re.MULTILINE)[0])
    return total, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jobs", type=int, nargs="*", default=[200, 2000, 20000])
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args()
    print("| jobs | seconds | CPU seconds | CPU ms a job | MB |\n|---:|---:|---:|---:|---:|")
    for jobs in options.jobs:
        with tempfile.TemporaryDirectory() as folder:
            config = write_study(Path(folder), jobs, options.folds)
            total, seconds, cpu, memory = plan(Path(folder), config)
        times = f"{seconds:.1f} | {cpu:.1f} | {1000 * cpu / total:.1f}"
        print(f"| {total:,} | {times} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()
