"""Find the cases of a data set and check their files, headers only."""

import dicegrad.starting  # isort: skip

from pathlib import Path

from dicegrad.data.adapters import get_adapter
from dicegrad.data.annotated import marked_by_table
from dicegrad.data.cases import summary, write_cases
from dicegrad.data.checks import find_problems, orientation_line
from dicegrad.data.copies import lines_on_copies
from dicegrad.errors import InputError
from dicegrad.logs import job

with job(snakemake.log[0], inputs=snakemake.input) as report:
    root = Path(snakemake.params.root)
    adapter = get_adapter(snakemake.params.adapter, root)
    found = adapter.scan(root)
    problems = [*found.problems, *find_problems(found.cases, adapter, snakemake.params.align)]
    for problem in problems:
        report(problem)
    if problems:
        raise InputError(summary(problems, snakemake.log[0]))
    if line := orientation_line(found.cases):
        report(line)
    for line in lines_on_copies(found.cases):
        report(line)
    cases, line = marked_by_table(found.cases, root, snakemake.params.table, adapter)
    if line:
        report(line)
    write_cases(Path(snakemake.output[0]), cases, adapter.channels)
    report(f"{len(cases)} cases")
