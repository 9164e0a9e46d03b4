"""What ends a run of the workflow is one line on the screen instead of a traceback.

Snakemake writes logs, benchmarks and notes beside the results. Where a disk is full, or somebody
removes a folder, it shows its own traceback, or words without advice. Its log holds them still. And
a job that the system ends can say nothing: Snakemake names the signal, and not what to do.
"""

import copy
import errno
import logging
import re
import resource
import shutil
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from dicegrad.errors import InputError, safe_line

# The last line of a traceback, or below "OSError in file ..., line 7:".
_SYSTEM = re.compile(r"^(?:[\w.]+: )*\[Errno (\d+)\] ([^:\n]*)(?:: ['\"](.*)['\"])?$", re.MULTILINE)
_NOT_NOTED = re.compile(
    r"^Error recording metadata .*\(\[Errno (\d+)\] ([^()]*)\)\. .* directory (.*)$", re.MULTILINE
)
_MISSING = re.compile(r"Missing files after .*\n+\s*(.+?)(?: \(missing.*)?$", re.MULTILINE)
_MEMORY = re.compile(r"^(MemoryError|RuntimeError: can't start new thread)", re.MULTILINE)
_KILLED = re.compile(
    r"died with <Signals\.(SIG\w+): \d+>.*?^Error in rule (\w+):$(.*?)^(?=\S|$)",
    re.MULTILINE | re.DOTALL,
)
_LOG = re.compile(r"^ +log: (\S+)", re.MULTILINE)
_AGAIN = "start the same command again"
_ADVICE = {
    (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG): "free some space or allow writing",
    (errno.EACCES, errno.EPERM): "allow reading and writing",
    (errno.ENOENT, errno.ENOTDIR, errno.ESTALE): "let nothing remove files while a study runs",
    (errno.EMFILE, errno.ENFILE): "allow more open files, as with `ulimit -n 4096`",
    (errno.ENOMEM, errno.EAGAIN): "end other programs, or allow more memory and processes",
}
# What the system may mean by ending a job; an interrupt is told elsewhere.
_SIGNALS = {
    "SIGKILL": "as where memory runs out; end other programs or give fewer --cores",
    "SIGBUS": "as where a file is cut while it is read, or its disk fails; check that disk",
    "SIGSEGV": "a crash of compiled code; if it comes again, try DICEGRAD_NATIVE=0",
    "SIGILL": "an instruction that this processor does not have; try DICEGRAD_NATIVE=0",
    "SIGXCPU": "the limit on processor time; lift it with `ulimit -t unlimited`",
}
_LITTLE = 1 << 16  # bytes; with less a disk counts as full
_ROOM = 256 << 20  # bytes of addresses that the libraries and threads of Snakemake take at least


def one_line_each() -> None:
    """Have one line stand on the screen for each failure of the system that Snakemake meets."""
    for name in ("snakemake.logging", "concurrent.futures"):
        logging.getLogger(name).addFilter(_shorten)
    logging.raiseExceptions = False  # a line that a full disk loses is no reason for a traceback
    sys.excepthook = _show
    threading.excepthook = lambda args: _show(args.exc_type, args.exc_value, args.exc_traceback)


def check_room() -> None:
    """See that Snakemake has addresses for its libraries and threads.

    Where they end, a library says in its own words that it cannot be loaded, and Python may wait
    for ever for a thread that could not start.

    Raises:
        InputError: They are limited to little more than what is in use.
    """
    limit, page = resource.getrlimit(resource.RLIMIT_AS)[0], resource.getpagesize()
    sizes = Path("/proc/self/statm")
    if limit == resource.RLIM_INFINITY or not sizes.exists():
        return
    used = int(sizes.read_text().split()[0]) * page
    if limit - used < _ROOM:
        raise InputError(
            f"snakemake: may use {limit >> 20} MiB of addresses, and has {used >> 20} in use "
            "already; lift the limit with `ulimit -v unlimited`"
        )


def errors_in(snakemake_logs: Iterable[Path]) -> list[str]:
    """The `error:` lines of the jobs that a log of Snakemake names, also of those that were ended.

    Example:
        >>> import tempfile
        >>> log = Path(tempfile.mkdtemp(), "snakemake.log")
        >>> said = "Command 'python train.py' died with <Signals.SIGTERM: 15>."
        >>> _ = log.write_text(f"{said}\\nError in rule train:\\n    log: a/train.log\\n\\n")
        >>> errors_in([log])
        ['error: a/train.log: the job was ended by SIGTERM; start the same command again']
    """
    there = [path for path in snakemake_logs if path.exists()]  # unless somebody has removed it
    text = "".join(path.read_text(encoding="utf-8", errors="replace") for path in there)
    logs = [Path(job) for job in dict.fromkeys(_LOG.findall(text)) if Path(job).exists()]
    said = "".join(log.read_text(encoding="utf-8", errors="replace") for log in logs)
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    return lines + [_killed(*found) for found in _KILLED.findall(text) if found[0] != "SIGINT"]


def _killed(name: str, rule: str, about: str) -> str:
    """The line for a job that a signal has ended."""
    log = _LOG.search(about)
    meant = f", {_SIGNALS[name]}, and" if name in _SIGNALS else ";"
    return f"error: {log[1] if log else rule}: the job was ended by {name}{meant} {_AGAIN}"


def line_of(text: str) -> str | None:
    """The line for what Snakemake says; None where it is no failure of the system.

    Example:
        >>> line_of("OSError in file 'a.smk', line 7:\\n[Errno 5] Input/output error: 'a.tsv'")
        'error: a.tsv: Input/output error; check that disk, and start the same command again'
    """
    if found := _MISSING.search(text):
        return f"error: {safe_line(found[1])}: is missing or was not made; {_AGAIN}"
    if found := _MEMORY.search(text):
        said, number, where = found[1], errno.ENOMEM, "snakemake"
    elif found := _NOT_NOTED.search(text):
        number, said, where = int(found[1]), found[2], found[3]
    elif every := _SYSTEM.findall(text):
        number, said = int(every[-1][0]), every[-1][1]
        where = every[-1][2] or _places(number)
    else:
        return None
    told = (words for numbers, words in _ADVICE.items() if number in numbers)
    advice = next(told, "check that disk")
    return f"error: {safe_line(where)}: {said}; {advice}, and {_AGAIN}"


def _places(number: int) -> str:
    """Where it may have been, if the system does not say: the folders that have no room."""
    every = (".snakemake", "results", "resources", "logs", tempfile.gettempdir())
    places = [each for each in every if Path(each).is_dir()]
    full = [each for each in places if shutil.disk_usage(each).free < _LITTLE]
    return ", ".join(full if full and number == errno.ENOSPC else places)


def _shorten(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    if record.exc_info:
        text += "\n" + "".join(traceback.format_exception(*record.exc_info))
    if record.levelno >= logging.ERROR and (line := line_of(text)):
        for handler in logging.getLogger(record.name).handlers:
            if isinstance(handler, logging.FileHandler):
                handler.handle(copy.copy(record))
        record.msg, record.args, record.exc_info = line, (), None
    return True


def _show(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    text = "".join(traceback.format_exception(kind, error, trace))
    if issubclass(kind, KeyboardInterrupt):
        text = "interrupted; the same command resumes from there"
    print(line_of(text) or text, file=sys.stderr)
