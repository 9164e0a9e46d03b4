"""The one error that a user's input can cause."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line: what came (file, value), and how to mend it. Scripts and the command
    line print that line alone; a traceback is kept for faults of our own.
    """
