"""`dicegrad plan`: what a study would run, and why."""

import argparse


def add_plan(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of `dicegrad`."""
    plan = commands.add_parser(
        "plan",
        help="say what a study would run, and why, by experiment",
        usage="dicegrad plan [SNAKEMAKE OPTION ...]",
        description="Say what would run, and why. Takes the options of snakemake: "
        "dicegrad plan --configfile config/acdc.yaml",
    )
    plan.set_defaults(run=run_plan)


def run_plan(options: argparse.Namespace) -> None:
    """Print the plan; `options.rest` goes to Snakemake."""
    from dicegrad.plan import describe, make_plan

    print("\n".join(describe(make_plan(options.rest))))
