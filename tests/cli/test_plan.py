"""`dicegrad plan` names the config that Snakemake cannot read."""

import pytest

from dicegrad.cli import main


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "no such file"),
        ("", "holds None; it should hold keys and values"),
        ("- a", "holds ['a']; it should hold keys and values"),
        ("a: [1", "not valid YAML at line 1"),
        ("study: a\nstudy: b", "line 2: key 'study' comes twice (first in line 1); remove one"),
        (b"\xff", "is not UTF-8 text (byte 1); save it as UTF-8"),
    ],
)
@pytest.mark.parametrize("option", ["--configfile", "--configfiles"])
def test_a_config_that_cannot_be_read_is_named(capsys, tmp_path, option, content, line):
    config = tmp_path / "mine.yaml"
    if content is not None:
        config.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert main(["plan", option, str(config), "--cores", "2"]) == 1
    assert capsys.readouterr().err == f"error: {config}: {line}\n"


def test_a_folder_as_config_is_named(capsys, tmp_path):
    assert main(["plan", "--configfile", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path}: is not a regular file\n"
