"""A study as its user writes it: every fault is one line that names file, key and value."""

import pytest
import yaml

from dicegrad.study import Experiment, Study, paths
from dicegrad.study.study import read_datasets, read_experiments
from tests.conftest import refusal
from tests.study.conftest import CONFIG, HEADER, ROW, line


def row(**changes):
    return Experiment.from_row(ROW | changes)


@pytest.fixture
def table(tmp_path):
    """An experiment table of the given text."""
    path = tmp_path / "experiments.tsv"

    def write(text, encoding="utf-8"):
        path.write_bytes(text.encode(encoding))
        return path

    return write


# The experiment table


def test_a_table_is_read_as_it_is_written(table):
    text = (
        "# losses\n" + HEADER + "\n# hearts\n" + line(epsilon="1.0e-07") + line(phi="BI") + "  \n"
    )
    rows = read_experiments(table(text))
    assert rows == [row(epsilon="1.0e-07"), row(phi="BI")]


def test_a_table_of_a_spreadsheet_is_read(table):
    text = (HEADER + line()).replace("\n", "\r\n")
    assert read_experiments(table(text, "utf-8-sig")) == [row()]
    assert "is not UTF-8 text" in refusal(read_experiments, table(text, "utf-16"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; it should hold a header and rows, separated by tabs"),
        (
            "dataset loss\n",
            "the columns are, separated by tabs: dataset, labeling, loss, phi, epsilon, batch",
        ),
        (HEADER, "no experiment in it; add a row"),
        (HEADER + "# " + line(), "no experiment in it; add a row"),
        (
            HEADER + line() + line(phi="X"),
            "experiment 2 (line 3): phi is 'X'; allowed: I, CI",
        ),
        (
            HEADER + line(loss="focal"),
            "experiment 1 (line 2): loss is 'focal'; allowed: dice",
        ),
        (HEADER + line(labeling="a/b"), "labeling is 'a/b'; a name begins with a letter or digit"),
        ("loss\n", "an experiment needs the column dataset"),
        (HEADER.replace("phi", "phy") + line(), "has no column 'phy'; did you mean 'phi'?"),
        (HEADER.replace("\n", "\tphi\n"), "column 'phi' comes twice; remove one"),
        (
            HEADER + line(epsilon="-1"),
            "epsilon is -1, but Dice of two empty maps needs one above 0",
        ),
        (HEADER + line(epsilon="xheuristic"), "epsilon is 'xheuristic'; write a multiple"),
        (HEADER + line(epsilon="big"), "epsilon is 'big'; give a number, heuristic, or"),
        (HEADER + line(batch_size="0"), "batch_size is '0'; it must be a whole number from 1"),
        (HEADER + line(batch_size="1.5"), "batch_size is '1.5'; it must be a whole number"),
        (HEADER + line(dataset="../x"), "dataset is '../x'; a name begins with"),
        (
            HEADER + "heart\tfull\tdice\n",
            "line 2 has 3 cells, the header 6; separate the cells by tabs",
        ),
        (HEADER + line().strip() + "\tnew\n", "line 2 has 7 cells, the header 6"),
        (HEADER + line(phi=""), "experiment 1 (line 2) has an empty column; fill it, and separate"),
        (
            HEADER + line() + line(phi="BI") + line(epsilon="0.0000001"),
            "experiment 3 (line 4) repeats experiment 1; remove one",
        ),
    ],
)
def test_a_fault_of_the_table_is_named_by_row_column_and_value(table, text, message):
    path = table(text)
    refused = refusal(read_experiments, path)
    assert refused.startswith(f"{path}: ")
    assert message in refused


def test_a_table_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "no.tsv"
    text = refusal(read_experiments, path)
    assert text == f"{path}: no such experiment table; set `experiments` to one"


def test_a_table_may_have_the_column_that_tells_what_to_do_with_unannotated_maps(table):
    text = HEADER.strip() + "\tunannotated\n"
    text += line().strip() + "\tas_empty\n" + line().strip() + "\tignored\n"
    assert read_experiments(table(text)) == [row(), row(unannotated="ignored")]


# The datasets of a study


def test_only_the_datasets_of_the_table_come_back_but_all_changes_are_checked():
    folder = CONFIG / "datasets"
    found = read_datasets(["tumor", "heart", "tumor"], [folder], {"acdc": {}})
    assert list(found) == ["tumor", "heart"]
    changes = {"acdc": {"root": 3}}
    text = refusal(read_datasets, ["heart"], [folder], changes, "mine.yaml")
    assert text == "mine.yaml: datasets.acdc: root is 3; it is not of type 'string'"


def test_the_first_of_several_folders_that_has_a_dataset_is_asked(tmp_path):
    (tmp_path / "heart.yaml").write_text(
        (CONFIG / "datasets" / "heart.yaml").read_text().replace("data/phantoms/heart", "mine")
    )
    found = read_datasets(["heart", "tumor"], [tmp_path, CONFIG / "datasets"], {})
    assert str(found["heart"].root) == "mine"
    assert str(found["tumor"].root) == "data/phantoms/tumor"


@pytest.mark.parametrize("where", ["table", "config"])
def test_a_dataset_that_does_not_exist_is_named_with_those_that_do(where):
    folder = CONFIG / "datasets"
    names = ["lung"] if where == "table" else ["heart"]
    changes = {"lung": {}} if where == "config" else {}
    text = refusal(read_datasets, names, [folder], changes)
    assert text.startswith(f"dataset 'lung': no {folder / 'lung'}.yaml; there are acdc, ")


# The whole study


def config(tmp_path, text, **changes):
    path = tmp_path / "mine.tsv"
    path.write_text(HEADER + text)
    return {"study": "mine", "experiments": str(path), **changes}


def read(tmp_path, text, **changes):
    return Study.read(config(tmp_path, text, **changes), "mine.yaml", CONFIG)


def test_two_datasets_of_one_folder_are_one_phantom_or_refused(tmp_path):
    places = tmp_path / "config" / "datasets"
    places.mkdir(parents=True)
    text = (CONFIG / "datasets" / "heart.yaml").read_text()
    (places / "heart.yaml").write_text(text)
    (places / "again.yaml").write_text(text)
    settings = config(tmp_path, line() + line(dataset="again"))
    where = "mine.yaml", tmp_path / "config"
    assert list(Study.read(settings, *where).datasets) == ["heart", "again"]
    settings["datasets"] = {"again": {"phantom": {"subjects": 5}}}
    assert refusal(Study.read, settings, *where) == (
        "datasets heart and again are different phantoms in one folder, data/phantoms/heart; "
        "give one of them a root of its own"
    )


def test_a_study_is_its_rows_its_datasets_and_its_settings(tmp_path):
    text = line(dataset="tumor") + line() + line(phi="BI", labeling="full")
    study = read(tmp_path, text, seed=4, folds=[1, 0], datasets={"heart": {"root": "here"}})
    assert study.name == "mine"
    assert study.experiments == (row(dataset="tumor"), row(), row(phi="BI", labeling="full"))
    assert list(study.datasets) == ["tumor", "heart"]
    assert str(study.datasets["heart"].root) == "here"
    assert (study.seeds, study.draws, study.device) == ((4,), 100_000, "auto")
    assert study.folds("heart") == [1, 0]
    assert study.labelings("heart") == ["partial", "full"]
    assert study.of_dataset("tumor") == [row(dataset="tumor")]


def test_the_first_seed_keeps_the_folder_that_it_had_alone(tmp_path):
    one, three = (read(tmp_path, line(), folds=[0], **s) for s in ({}, {"seeds": [0, 2, 5]}))
    assert (one.seeds, three.seeds) == ((0,), (0, 2, 5))
    row = f"results/mine/{one.experiments[0].path}"
    assert paths.score_files(one) == [f"{row}/scores.tsv"]
    assert paths.score_files(three) == [
        f"{row}/scores.tsv", f"{row}/seed~2/scores.tsv", f"{row}/seed~5/scores.tsv"
    ]  # fmt: skip
    weights = paths.fold_files(three, three.experiments, "weights.pt")
    assert weights[1:] == [f"{row}/seed~{seed}/fold~0/weights.pt" for seed in (2, 5)]
    assert [paths.seed_of(three, path) for path in weights] == [0, 2, 5]
    assert Experiment.from_path(weights[1]) == one.experiments[0]


def test_the_experiments_with_the_most_missing_labels_are_found_for_each_dataset(tmp_path):
    text = line(labeling="full") + line(labeling="partial-25") + line(labeling="partial-50")
    text += line(labeling="partial-50", phi="BI") + line(dataset="tumor", labeling="full")
    study = read(tmp_path, text)
    most = [row(labeling="partial-50"), row(labeling="partial-50", phi="BI")]
    assert study.most_missing("heart", ["ED", "ES"]) == most
    assert study.most_missing("tumor", ["HGG", "LGG"]) == []
    assert study.has_missing("heart")
    assert not study.has_missing("tumor")


def test_of_two_labelings_with_names_the_one_that_takes_more_has_the_most_missing_labels(tmp_path):
    some = {"group": "ES", "classes": ["MYO"]}
    named = {"drop-all": [some], "keep-most": [some | {"share": 0.1}]}
    text = line(labeling="full") + line(labeling="drop-all") + line(labeling="keep-most")
    study = read(tmp_path, text, datasets={"heart": {"labelings": named}})
    assert study.most_missing("heart", ["ED", "ES"]) == [row(labeling="drop-all")]


def test_what_a_labeling_takes_from_every_group_counts_for_each(tmp_path):
    named = {"one": [{"group": "ES", "classes": ["MYO"]}], "all": [{"share": 0.5}]}
    text = line(labeling="one") + line(labeling="all")
    study = read(tmp_path, text, datasets={"heart": {"labelings": named}})
    assert study.most_missing("heart", ["ED", "ES"]) == [row(labeling="all")]  # 6 halves


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        (
            line(loss="leaf", phi="BI"),
            {},
            "mine.tsv: heart partial leaf BI 1e-7 2: loss leaf takes",
        ),
        (line(labeling="half"), {}, "mine.tsv: heart half dice I 1e-7 2: labeling is 'half'; the"),
        (line(), {"folds": [7]}, "folds: 7 is not a fold of heart; it has 0 to "),
        (line(), {"sed": 1}, "mine.yaml: unknown key sed; did you mean 'seed'?"),
        (line(), {"seedss": [1]}, "mine.yaml: unknown key seedss; did you mean 'seeds'?"),
        (line(), {"seed": 0, "seeds": [0, 1]}, "mine.yaml: has both seed and seeds; leave one of"),
        (
            line(),
            {"seeds": [0, 0]},
            "mine.yaml: seeds is [0, 0]; it should be a list of seeds",
        ),
        (line(), {"seeds": []}, "mine.yaml: seeds is []; it should be a list of seeds such as"),
        (line(), {"seeds": 3}, "mine.yaml: seeds is 3; it should be a list of seeds such as"),
        (line(), {"datasets": {"heart": {"roots": "x"}}}, "mine.yaml: datasets.heart: unknown key"),
    ],
)
def test_a_fault_of_a_study_is_one_line(tmp_path, text, changes, message):
    assert message in refusal(lambda: read(tmp_path, text, **changes))


def test_numbers_that_the_command_line_hands_over_as_text_are_read_as_numbers(tmp_path):
    changes = {"training": {"epochs": "3", "learning_rate": "1e-3", "deterministic": "true"}}
    study = read(tmp_path, line(), folds=["0", "1"], datasets={"heart": changes})
    assert study.folds("heart") == [0, 1]
    training = study.datasets["heart"].block("training")
    assert (training["epochs"], training["deterministic"]) == (3, True)
    assert training["learning_rate"] == pytest.approx(1e-3)


def test_text_that_is_no_number_is_named_where_a_number_is_wanted(tmp_path):
    text = refusal(lambda: read(tmp_path, line(), folds=["first"]))
    assert text.startswith("mine.yaml: folds.0 is 'first'; it is not of type 'integer'")


def test_a_study_is_read_as_the_command_line_reads_yaml(tmp_path):
    settings = yaml.safe_load(yaml.safe_dump(config(tmp_path, line())))
    assert Study.read(settings, "mine.yaml", CONFIG).experiments == (row(),)
