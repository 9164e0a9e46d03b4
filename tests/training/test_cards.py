import os
import subprocess
import sys
import tempfile

import pytest
import torch

from dicegrad.errors import InputError
from dicegrad.training.cards import card

CHILD = """
import tempfile, sys
import torch
from dicegrad.training.cards import card
torch.cuda.device_count = lambda: 2
tempfile.tempdir = sys.argv[1]
with card() as device:
    print(device, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def two_cards(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_trainings_are_dealt_to_the_cards_in_turn(two_cards):
    with card() as first, card() as second, card() as third:
        assert [first, second, third] == ["cuda:0", "cuda:1", "cuda:0"]
    with card() as again:
        assert again == "cuda:0"


def test_the_card_of_a_killed_training_is_free_again(two_cards):
    command = [sys.executable, "-c", CHILD, str(two_cards)]
    pipes = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
    with subprocess.Popen(command, **pipes, text=True) as child:
        assert child.stdout.readline() == "cuda:0\n"
        with card() as other:
            assert other == "cuda:1"
        child.kill()
        child.wait(60)
    with card() as freed:
        assert freed == "cuda:0"


def test_a_link_that_somebody_laid_in_the_temporary_folder_is_not_followed(two_cards):
    (target := two_cards / "target").mkdir()
    (link := two_cards / f"dicegrad-{os.getuid()}").symlink_to(target)
    with pytest.raises(InputError, match="is not a folder of yours alone; remove it"), card():
        pass
    assert list(target.iterdir()) == []
    link.unlink()
    with card() as device:
        assert device == "cuda:0"
    link.chmod(0o777)
    with pytest.raises(InputError, match="is not a folder of yours alone"), card():
        pass
