"""The commands that README and documentation tell a reader to type."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
# A block without a language is one of commands if its lines begin with one of these.
PROGRAMS = {
    *("dicegrad", "snakemake", "snakedeploy", "make", "python", "pip", "pytest", "pre-commit"),
    *("nnUNetv2_plan_and_preprocess", "nnUNetv2_train", "nnUNetv2_predict"),
    *("sbatch", "squeue", "sacct", "scontrol", "tail", "tensorboard"),
    *("docker", "podman", "apptainer", "export", "source", "cd", "git"),
}
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """README and what else a reader is shown."""
    top = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "config/README.md")]
    return top + sorted((REPOSITORY / "docs").rglob("*.md"))


def commands(text: str) -> Iterator[str]:
    """The commands of a page: one line each, without comments."""
    for _, language, block in _BLOCK.findall(text):
        if language not in ("", "bash", "console", "sh"):
            continue
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            command = re.sub(r"\s+#\s.*$", "", line.strip().removeprefix("$ ")).strip()
            if command and not command.startswith("#") and (language or _is_command(command)):
                yield re.sub(r"\s+", " ", command)


def _is_command(line: str) -> bool:
    try:
        words = shlex.split(line)
    except ValueError:
        return False
    named = [word for word in words if not re.fullmatch(r"[A-Z_]+=.*", word)]
    return bool(named) and named[0] in PROGRAMS


def documented() -> dict[str, list[str]]:
    """Command -> the pages that have it."""
    found: dict[str, list[str]] = {}
    for page in pages():
        for command in commands(page.read_text()):
            found.setdefault(command, []).append(str(page.relative_to(REPOSITORY)))
    return found
