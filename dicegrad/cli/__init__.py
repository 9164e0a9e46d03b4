"""The command line: what is useful outside the workflow."""

import argparse
import os
import sys
from collections.abc import Sequence

from dicegrad import __version__
from dicegrad.cli.audit import add_audit
from dicegrad.cli.check import add_check
from dicegrad.cli.forecast import add_forecast
from dicegrad.cli.identify import add_identify
from dicegrad.cli.init import add_init
from dicegrad.cli.nnunet_trainers import add_nnunet_trainers
from dicegrad.cli.phantom import add_phantom
from dicegrad.cli.plan import add_plan, run_plan
from dicegrad.cli.predict import add_predict
from dicegrad.cli.summary import add_summary
from dicegrad.cli.suspects import add_suspects
from dicegrad.cli.train import add_train
from dicegrad.cli.verify import add_verify
from dicegrad.errors import InputError, Interrupted, first_line, is_memory, safe_line

# In the order of `dicegrad --help`.
COMMANDS = (
    add_init,
    add_summary,
    add_plan,
    add_check,
    add_audit,
    add_forecast,
    add_suspects,
    add_identify,
    add_phantom,
    add_train,
    add_predict,
    add_verify,
    add_nnunet_trainers,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Words of the command line; those of the process by default.

    Returns:
        0, or 1 after one `error:` line where the input is at fault.
    """
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding does not have is no reason to stop.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    parser = _parser()
    _complete(parser)
    options, rest = parser.parse_known_args(arguments)
    if rest and options.run is not run_plan:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    try:
        options.run(options)
    except InputError as error:
        for line in error.args:
            print(f"error: {line}", file=sys.stderr)
        return 1
    except (OSError, MemoryError, RuntimeError) as error:
        if is_memory(error):
            text = f"there is not enough memory ({first_line(error)}); use a machine with more"
        elif isinstance(error, OSError):  # a folder that may not be written, a full disk
            where = f"{error.filename}: " if error.filename else ""
            text = f"{where}{error.strerror or error}"
        else:
            raise
        print(f"error: {safe_line(text)}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "dicegrad"):
            raise
        print(f"error: package {package} is missing; pip install '.[workflow]'", file=sys.stderr)
        return 1
    except Interrupted as stop:
        print(f"{stop}; the same command resumes from there", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def _complete(parser: argparse.ArgumentParser) -> None:
    """Tell a shell that asks for it how a command goes on, and end; see docs/predict.md."""
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dicegrad",
        description="The Dice loss in the context of missing or empty labels. "
        "Studies are run with snakemake; see the README.",
    )
    parser.add_argument("--version", action="version", version=f"dicegrad {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    for add in COMMANDS:
        add(commands)
    return parser
