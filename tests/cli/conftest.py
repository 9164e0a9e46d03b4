"""What tests of commands share."""

import pytest
import yaml

from dicegrad.cli import main


def run(capsys, *words):
    """Exit code, standard output and standard error of a command."""
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()


@pytest.fixture
def place(tmp_path):
    """A folder with a dataset file, weights of two folds and images of two cases."""
    # Here, since that module runs commands by the function above.
    from tests.cli.predicting import SETTINGS, save_weights, write_image

    (tmp_path / "new").mkdir()
    for seed, name in enumerate(("a", "b")):
        write_image(tmp_path / "new" / f"{name}_0000.nii.gz", seed)
        save_weights(tmp_path / f"{name}.pt", seed)
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(SETTINGS))
    return tmp_path
