import copy
import pickle
import subprocess
import sys

import pytest

import dicegrad
from dicegrad import losses


def test_everything_public_is_at_hand():
    assert dicegrad.__all__ == losses.__all__
    for name in dicegrad.__all__:
        assert getattr(dicegrad, name) is getattr(losses, name)
        assert name in dir(dicegrad)
    with pytest.raises(AttributeError, match="no attribute 'FocalDiceLoss'"):
        dicegrad.FocalDiceLoss  # noqa: B018


def test_the_package_itself_needs_no_torch():
    code = "import sys, dicegrad, dicegrad.errors; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_loss_can_be_copied_pickled_and_shown():
    loss = dicegrad.DiceLoss("BI", [1.0, 2.0], activation="softmax", include_background=False)
    for other in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert repr(other) == repr(loss)
    assert "phi='BI', epsilon=(1.0, 2.0)" in repr(loss)
    assert loss.state_dict() == {}
