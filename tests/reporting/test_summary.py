import re

from dicegrad.reporting.summary import summarise


def change(table, value, **where):
    chosen = table["dsc"].notna()
    for column, wanted in where.items():
        chosen &= table[column] == wanted
    assert chosen.any()
    return table.assign(dsc=table["dsc"].mask(chosen, value))


def test_the_papers_finding_is_told_with_its_numbers(table, datasets):
    text = summarise(table, datasets)
    assert re.search(r"heart: MYO is missing in ES\n  full labels: DSC 0\.9\d", text)
    assert re.search(r"I ignores the missing labels: DSC ES 0\.9\d \(full labels 0\.9\d\)", text)
    assert "BI learns the empty maps: DSC ES 0.02" in text
    assert "I_eps learns the empty maps: DSC LGG 0.02" in text
    assert text.endswith("8 of 8 experiments with partial labels came out as theory expects.")
    assert "!" not in text


def test_a_setup_that_does_not_do_as_expected_is_marked(table, datasets):
    odd = change(table, 0.91, dataset="heart", labeling="partial", setup="BI", group="ES")
    text = summarise(odd, datasets)
    assert "  ! BI ignores the missing labels: DSC ES 0.91" in text
    assert text.endswith("7 of 8 experiments with partial labels came out as theory expects: "
                         "see the lines marked !")  # fmt: skip
    odd = change(table, 0.1, dataset="heart", labeling="partial", setup="I", group="ES")
    assert "  ! I learns the empty maps: DSC ES 0.10" in summarise(odd, datasets)


def test_half_way_is_called_so(table, datasets):
    half = change(table, 0.6, dataset="heart", labeling="partial", setup="BI", group="ES")
    text = summarise(half, datasets)
    assert "  BI partly learns the empty maps: DSC ES 0.60" in text


def test_a_network_that_outputs_nothing_has_not_learnt_which_maps_are_empty(table, datasets):
    collapsed = change(table, 0.0, dataset="heart", labeling="partial", setup="I_eps")
    assert "  ! I_eps fails in the labelled group too: DSC ES 0.00" in summarise(
        collapsed, datasets
    )


def test_labels_that_are_missing_in_the_data_themselves_are_not_judged(table, datasets, scores):
    hidden = (scores["dataset"] == "heart") & (scores["group"] == "ES")
    unknown = scores.assign(volume_true_ml=scores["volume_true_ml"].mask(hidden, 0.0))
    text = summarise(table, datasets, unknown)
    assert "  ! no true label of ES has MYO" in text
    assert "DSC ES" not in text
    assert text.endswith("3 of 3 experiments with partial labels came out as theory expects.")
    assert summarise(table, datasets, scores) == summarise(table, datasets)


def test_without_full_labels_the_labelled_group_is_the_reference(table, datasets):
    text = summarise(table[table["labeling"] == "partial"], datasets)
    assert "full labels" not in text
    assert "I ignores the missing labels" in text


def test_full_labels_alone_say_nothing_about_missing_ones(table, datasets):
    text = summarise(table[table["labeling"] == "full"], datasets)
    assert text.endswith("nothing to say about missing labels.")
    assert summarise(table.iloc[:0], datasets)
