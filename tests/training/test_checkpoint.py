import os
import platform
import resource
import secrets
from pathlib import Path

import pytest
import torch

from dicegrad.errors import InputError
from dicegrad.training.checkpoint import load_checkpoint, remove_checkpoint, save_atomically
from dicegrad.whole import unfinished

CONFIGURATION = {"batch_size": 2, "training.learning_rate": 0.001, "network.pools": ((2, 2, 1),)}


def state(value=1.0, size=10):
    return {"configuration": CONFIGURATION, "weights": torch.full((size,), value), "epoch": 3}


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "run" / "checkpoint.pt"
    save_atomically(state(), path)
    return path


@pytest.fixture
def one_name(monkeypatch):
    """Names of unfinished files without their random part."""
    monkeypatch.setattr(secrets, "token_hex", lambda count: "only")


def is_intact(path):
    assert float(load_checkpoint(path, CONFIGURATION)["weights"][0]) == 1.0
    return [file.name for file in path.parent.iterdir()] == [path.name]


def one_line(error):
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_what_was_saved_comes_back(checkpoint):
    loaded = load_checkpoint(checkpoint, CONFIGURATION)
    assert torch.equal(loaded["weights"], torch.ones(10))
    assert loaded["epoch"] == 3
    assert is_intact(checkpoint)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_one_line_and_leaves_the_checkpoint_before(checkpoint, one_name):
    unfinished(checkpoint).symlink_to("/dev/full")
    with pytest.raises(InputError) as error:
        save_atomically(state(2.0), checkpoint)
    assert "could not be written" in one_line(error)
    assert "free some space" in one_line(error)
    assert is_intact(checkpoint)


def test_a_disk_that_fills_half_way_leaves_the_checkpoint_before(checkpoint):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(InputError) as error:
            save_atomically(state(2.0, size=100_000), checkpoint)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "could not be written" in one_line(error)
    assert is_intact(checkpoint)


def test_a_real_disk_that_fills_up_leaves_the_checkpoint_before(disk):
    path = disk / "checkpoint.pt"
    save_atomically(state(), path)
    with pytest.raises(InputError, match="could not be written") as error:
        save_atomically(state(2.0, size=300_000), path)
    assert str(path) in one_line(error)
    assert is_intact(path)
    save_atomically(state(size=100_000), path)  # what was half written takes no space any more
    assert is_intact(path)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc here")
def test_a_checkpoint_is_on_the_disk_with_its_name_before_the_training_goes_on(
    tmp_path, monkeypatch, one_name
):
    calls, sync, replace = [], os.fsync, Path.replace

    def watched(descriptor):
        calls.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    monkeypatch.setattr(Path, "replace", lambda a, b: (calls.append("replace"), replace(a, b)))
    save_atomically(state(), tmp_path / "checkpoint.pt")
    assert calls == [str(unfinished(tmp_path / "checkpoint.pt")), "replace", str(tmp_path)]


def test_two_machines_never_write_one_file(checkpoint, monkeypatch, one_name):
    here = unfinished(checkpoint)
    monkeypatch.setattr(platform, "node", lambda: "another-node")
    assert unfinished(checkpoint) != here
    assert unfinished(checkpoint).parent == here.parent


def test_one_process_never_writes_one_file_twice(checkpoint):
    assert unfinished(checkpoint) != unfinished(checkpoint)


def test_what_a_kill_left_half_written_goes_with_the_checkpoint(checkpoint, monkeypatch):
    unfinished(checkpoint).write_bytes(b"half")
    monkeypatch.setattr(platform, "node", lambda: "a-node-that-was-lost")
    unfinished(checkpoint).write_bytes(b"half")
    monkeypatch.undo()
    remove_checkpoint(checkpoint)
    assert list(checkpoint.parent.iterdir()) == []


def test_a_write_that_is_broken_off_leaves_the_checkpoint_before(checkpoint, monkeypatch):
    def half(content, file):
        file.write(b"half of it")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", half)
        with pytest.raises(KeyboardInterrupt):
            save_atomically(state(2.0), checkpoint)
    assert float(load_checkpoint(checkpoint, CONFIGURATION)["weights"][0]) == 1.0
    save_atomically(state(), checkpoint)
    assert is_intact(checkpoint)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training.learning_rate": 0.01}, "training.learning_rate was 0.001 and is now 0.01"),
        ({"network.pools": ((2, 2, 2),)}, r"network.pools was \(\(2, 2, 1\),\) and is now"),
        ({"data": "abc"}, "data was None and is now 'abc'"),
    ],
)
def test_a_checkpoint_of_another_configuration_is_refused_by_key(checkpoint, changes, message):
    with pytest.raises(InputError, match=message) as error:
        load_checkpoint(checkpoint, CONFIGURATION | changes)
    assert str(checkpoint) in one_line(error)


@pytest.mark.parametrize(
    "content", [b"", b"not a checkpoint", b"PK\x03\x04", b"\x80\x02}q\x00."], ids=repr
)
def test_garbage_is_refused_in_one_line(checkpoint, content):
    checkpoint.write_bytes(content)
    with pytest.raises(InputError, match="not a checkpoint of dicegrad") as error:
        load_checkpoint(checkpoint, CONFIGURATION)
    assert "delete it" in one_line(error)


def test_a_truncated_checkpoint_is_refused(checkpoint):
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a checkpoint of dicegrad") as error:
        load_checkpoint(checkpoint, CONFIGURATION)
    one_line(error)


def test_a_single_wrong_bit_is_noticed(checkpoint):
    save_atomically(state(size=1000), checkpoint)
    content = bytearray(checkpoint.read_bytes())
    place = content.index(torch.ones(4).numpy().tobytes())
    content[place] ^= 1
    checkpoint.write_bytes(content)
    assert float(torch.load(checkpoint, weights_only=True)["weights"][0]) != 1.0  # torch is silent
    with pytest.raises(InputError, match=r"damaged \(.* in it is damaged\); delete it") as error:
        load_checkpoint(checkpoint, CONFIGURATION)
    one_line(error)


@pytest.mark.parametrize("content", [[1, 2], {"weights": 1}, {"configuration": 5}], ids=str)
def test_a_file_of_torch_that_is_no_checkpoint_is_refused(checkpoint, content):
    torch.save(content, checkpoint)
    with pytest.raises(InputError, match="not a checkpoint of dicegrad"):
        load_checkpoint(checkpoint, CONFIGURATION)


class Harmful:
    def __init__(self, victim):
        self.victim = victim

    def __reduce__(self):
        return os.unlink, (self.victim,)


def test_reading_a_checkpoint_runs_nothing_from_it(checkpoint, tmp_path):
    victim = tmp_path / "precious"
    victim.touch()
    torch.save({**state(), "more": Harmful(str(victim))}, checkpoint)
    with pytest.raises(InputError, match="not a checkpoint of dicegrad") as error:
        load_checkpoint(checkpoint, CONFIGURATION)
    one_line(error)
    assert victim.exists()
