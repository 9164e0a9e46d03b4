"""What is shown of what came: one line, without codes, passwords or end."""

import pickle
from pathlib import Path

import pytest
import torch

import dicegrad
from dicegrad.errors import InputError, is_memory, safe_line


def test_a_name_forges_no_second_line_and_no_terminal_code():
    error = InputError("a\nerror: all is well\r\x1b[2J\u2028b.nii: is empty; give voxels")
    assert len(str(error).splitlines()) == 1
    assert str(error).isprintable()
    assert str(error).startswith(r"a\nerror: all is well\r\x1b[2J")


def test_several_problems_are_several_lines_in_another_process_too():
    error = pickle.loads(pickle.dumps(InputError("a: is empty", "b\n: is cut")))
    assert str(error).splitlines() == ["a: is empty", r"b\n: is cut"]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:secret@host/a.zip", "https://***@host/a.zip"),
        ("https://me:se@cret@host/a.zip", "https://***@host/a.zip"),
        ("https://secret@host/a.zip", "https://***@host/a.zip"),
        ("https://host/a?access_token=secret&part=1", "https://host/a?access_token=***&part=1"),
        ("https://host/a?X-Amz-Signature=secret", "https://host/a?X-Amz-Signature=***"),
        ("https://host/a@b.zip", "https://host/a@b.zip"),
    ],
)
def test_passwords_and_keys_of_an_address_are_left_out(address, shown):
    assert safe_line(f"{address}: cannot be fetched") == f"{shown}: cannot be fetched"


def test_a_value_without_end_is_cut_and_the_remedy_stays():
    line = str(InputError(f"a.yaml: key is {'x' * 10_000_000}; write a number"))
    assert len(line) < 2100
    assert line.startswith("a.yaml: key is x")
    assert line.endswith("; write a number")


def test_python_and_torch_say_differently_that_memory_is_short():
    with pytest.raises(RuntimeError) as error:
        torch.empty(1 << 60)
    assert is_memory(error.value)
    assert is_memory(MemoryError())
    assert is_memory(RuntimeError("could not create a primitive"))  # seen under a limit
    assert not is_memory(RuntimeError("shapes do not fit"))


def test_several_lines_are_several_arguments_everywhere():
    package = Path(dicegrad.__file__).parent
    joined = 'InputError("\\\\n".join'
    assert [path for path in package.rglob("*.py") if joined in path.read_text()] == []
