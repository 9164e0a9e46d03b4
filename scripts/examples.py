"""One case of each group as every setup segments it."""

from pathlib import Path

from dicegrad.data.cases import get_adapter, read_cases
from dicegrad.evaluation.scores import read_scores
from dicegrad.logs import job
from dicegrad.reporting.figures.choice import choose_examples
from dicegrad.reporting.figures.examples import plot_examples

with job(snakemake.log[0]) as report:
    params = snakemake.params
    examples = choose_examples(
        read_scores(snakemake.input.scores),
        read_cases(Path(snakemake.input.cases)),
        snakemake.wildcards.dataset,
        params.dataset,
        params.chosen,
        Path(snakemake.input.scores).parent,
    )
    report(f"cases: {', '.join(dict.fromkeys(example.case for example in examples))}")
    values = get_adapter(params.adapter, Path(params.root)).class_values
    plot_examples(
        examples,
        {name: values[name] for name in params.dataset["classes"]},
        Path(snakemake.output.png).with_suffix(""),
        title=snakemake.wildcards.dataset,
    )
