"""Imports run one way: from the command line down to the errors, and in no circle."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import dicegrad

PACKAGE = Path(dicegrad.__file__).parent
# From the ground up. Names in one tuple stand beside each other and do not know of each other.
LAYERS = (
    ("__init__",),
    ("errors", "interrupts", "machine", "cells", "precision"),
    ("checksums", "locks", "starting", "workflow_errors"),
    ("whole",),
    ("files", "inputs", "provenance"),
    ("arrays", "logs"),
    ("study",),
    ("losses",),
    ("data",),
    ("preprocessing",),
    ("training",),
    ("prediction",),
    ("engines",),
    ("evaluation",),
    ("reporting", "advice", "interop"),
    ("planning",),
    ("plan", "terminal"),
    ("cli",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in PACKAGE.rglob("*.py")}


def imports(path: Path) -> set[str]:
    """Modules of the package that a file imports, in functions too, but not for types alone."""
    found = set(imported(ast.parse(path.read_text()).body))
    return {name for name in found if name in MODULES} - {module_of(path)}


def imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            for name in node.names:  # a module, or what a module holds
                inner = f"{node.module}.{name.name}"
                yield inner if inner in MODULES else node.module
        else:
            yield from imported(ast.iter_child_nodes(node))


def layer_of(module: str) -> str:
    return [*module.split("."), "__init__"][1]


def test_every_part_of_the_package_has_its_place():
    assert {layer_of(module) for module in MODULES} <= set(LEVEL)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_import_runs_against_the_order(module):
    own = layer_of(module)
    if module == "dicegrad":
        return  # it loads the losses when they are asked for
    for other in imports(MODULES[module]):
        its = layer_of(other)
        assert its == own or LEVEL[its] < LEVEL[own], f"{module} imports {other}"


def reached(module: str, graph: dict[str, set[str]]) -> set[str]:
    found, waiting = set(), [*graph[module]]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += graph[each]
    return found


def test_no_module_is_reached_from_itself():
    """A package's __init__ gathers its modules, which do not look back at it."""
    graph = {name: imports(path) for name, path in MODULES.items() if name != "dicegrad"}
    graph = {name: others - {"dicegrad"} for name, others in graph.items()}
    circles = sorted(name for name in graph if name in reached(name, graph))
    assert circles == []


def test_what_a_user_writes_is_read_without_torch_and_the_losses_without_a_study():
    study = reached("dicegrad.study", {name: imports(path) for name, path in MODULES.items()})
    assert not any(layer_of(name) in ("losses", "training") for name in study - {"dicegrad"})


def test_no_module_of_the_library_imports_snakemake():
    for module, path in MODULES.items():
        names = [name.split(".")[0] for name in imported(ast.parse(path.read_text()).body)]
        assert "snakemake" not in names, module
