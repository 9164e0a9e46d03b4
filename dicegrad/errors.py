"""How a job can end early without a fault of ours."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line: what came (file, value), and how to mend it. Scripts and the command
    line print that line alone; a traceback is kept for faults of our own.
    """


class Interrupted(Exception):
    """A signal asked a training to stop; its checkpoint is written."""


def first_line(error: Exception) -> str:
    """What went wrong, without the advice that torch adds below it."""
    return (str(error).splitlines() or [type(error).__name__])[0]
