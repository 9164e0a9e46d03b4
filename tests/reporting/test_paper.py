import pytest

from dicegrad.reporting.paper import beside_paper, paper_table1


def test_the_paper_is_quoted_rightly():
    paper = paper_table1().set_index(["dataset", "labeling", "batch_size", "setup", "group"])
    assert len(paper) == 60
    assert paper.loc[("BRATS", "partial", 4, "I", "LGG"), "delta_volume_ml"] == -15
    assert paper.loc[("BRATS", "full", 8, "BI", "LGG"), "delta_volume_ml"] == -10
    assert paper.loc[("BRATS", "partial", 1, "I_eps", "LGG"), "dsc"] == 0.23
    assert paper.loc[("ACDC", "partial", 2, "BI", "ES"), "delta_volume_ml"] == -129
    assert paper.loc[("ACDC", "partial", 2, "I_eps", "ED"), "dsc"] == 0.80
    assert paper.loc[("ACDC", "full", 2, "BI", "ED"), "delta_volume_ml"] == 0


def test_a_study_of_acdc_stands_beside_the_paper(table, datasets):
    ours = table.assign(dataset=table["dataset"].replace("heart", "acdc"))
    both = beside_paper(ours, {"acdc": datasets["heart"], "tumor": datasets["tumor"]})
    assert len(both) == 12  # comparators are not in the paper's table, phantoms not at all
    row = both[(both["labeling"] == "partial") & (both["setup"] == "BI") & (both["group"] == "ES")]
    assert row["dsc_paper"].item() == 0.08
    assert row["dsc"].item() == pytest.approx(0.02)
    assert row["dsc_difference"].item() == pytest.approx(0.02 - 0.08)
    volume = row["delta_volume_ml"].item()
    assert row["delta_volume_ml_difference"].item() == pytest.approx(volume + 129)


def test_phantoms_have_no_paper_numbers_unless_asked(table, datasets):
    assert beside_paper(table, datasets).empty
    assert len(beside_paper(table, datasets, {"heart": "ACDC"})) == 12
