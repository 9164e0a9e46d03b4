"""`dicegrad plan`: what a study would run, and why."""

import argparse
import json


def add_plan(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of `dicegrad`."""
    plan = commands.add_parser(
        "plan",
        help="say what a study would run, and why, by experiment",
        usage="dicegrad plan [--json] [SNAKEMAKE OPTION ...]",
        description="Say what would run, and why. Takes the options of snakemake: "
        "dicegrad plan --configfile config/acdc.yaml",
    )
    plan.add_argument("--json", action="store_true", help="print the plan as JSON")
    plan.set_defaults(run=run_plan)


def run_plan(options: argparse.Namespace) -> None:
    """Print the plan; `options.rest` goes to Snakemake."""
    from dicegrad.plan import as_plain, describe, make_plan

    plan = make_plan(options.rest)
    print(json.dumps(as_plain(plan), indent=2) if options.json else "\n".join(describe(plan)))
