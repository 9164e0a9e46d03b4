"""Find the cases of a data set and check their files, headers only."""

from pathlib import Path

from dicegrad.data.adapters import get_adapter
from dicegrad.data.cases import summary, write_cases
from dicegrad.data.checks import find_problems
from dicegrad.errors import InputError
from dicegrad.logs import job

with job(snakemake.log[0]) as report:
    root = Path(snakemake.params.root)
    adapter = get_adapter(snakemake.params.adapter, root)
    found = adapter.scan(root)
    problems = [*found.problems, *find_problems(found.cases, adapter)]
    for problem in problems:
        report(problem)
    if problems:
        raise InputError(summary(problems, snakemake.log[0]))
    write_cases(Path(snakemake.output[0]), found.cases, adapter.channels)
    report(f"{len(found.cases)} cases")
