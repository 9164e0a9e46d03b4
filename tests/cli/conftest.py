"""What tests of commands share."""

from dicegrad.cli import main


def run(capsys, *words):
    """Exit code, standard output and standard error of a command."""
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()
