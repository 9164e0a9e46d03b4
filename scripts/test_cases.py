"""Find the labelled cases of a test set, and see that no subject of them is trained on."""

import dicegrad.starting  # isort: skip

from pathlib import Path

from dicegrad.data.adapters import get_adapter
from dicegrad.data.annotated import marked_by_table
from dicegrad.data.cases import read_cases, summary, write_cases
from dicegrad.data.test_set import labelled_test_cases, problems_of_test_set
from dicegrad.errors import InputError
from dicegrad.logs import job

with job(snakemake.log[0], inputs=[snakemake.input.cases]) as report:
    files, params, out = snakemake.input, snakemake.params, Path(snakemake.output[0])
    root = Path(params.root)
    adapter = get_adapter(params.adapter, root)
    labelled = labelled_test_cases(root, adapter)
    marked, line = marked_by_table(labelled, root, params.annotated, adapter, "test cases")
    write_cases(out, marked, adapter.channels)
    cases = read_cases(out)  # with their fingerprints
    problems = problems_of_test_set(cases, read_cases(Path(files.cases)), adapter, params.align)
    for problem in problems:
        report(problem)
    if problems:
        raise InputError(summary(problems, snakemake.log[0]))
    if line:
        report(line)
    report(f"{len(cases)} cases")
