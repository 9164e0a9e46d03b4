"""What a training run says before it begins."""

from dicegrad.training.opening import labeling_words


def test_missing_maps_are_said_to_be_left_out_of_the_dsc_and_empty_to_the_loss():
    words = labeling_words("partial", "as_empty")
    assert "leaves the missing ones out; to the validation loss they are empty" in words
    assert words.endswith("The scores of the study are against the true labels of all")


def test_a_loss_that_is_told_has_no_empty_maps_and_real_gaps_no_true_labels():
    assert "empty" not in labeling_words("partial", "ignored")
    assert "true labels" not in labeling_words("as-annotated", "as_empty")
