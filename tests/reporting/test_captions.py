from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils.core import publish_parts
from jinja2 import Environment, StrictUndefined

from dicegrad.reporting.outputs import OUTPUTS, files_of

REPORT = Path(__file__).parents[2] / "report"


def files_of_caption(name):
    outputs = [key for key, output in OUTPUTS.items() if name in (output.caption, key)]
    return {kind: file for key in outputs for kind, file in files_of(key, "heart").items()}


def rendered(name, **params):
    """The text of a caption whose job has these parameters."""
    output = files_of_caption(name)
    job = SimpleNamespace(config={}, params=SimpleNamespace(**params), output=output)
    environment = Environment(undefined=StrictUndefined)
    return environment.from_string((REPORT / f"{name}.rst").read_text()).render(snakemake=job)


def test_table1_says_which_labeling_takes_what_from_which_group(datasets):
    none = dict.fromkeys(("LV", "MYO", "RV"), 0.0)
    shares = {
        "full": {"ED": none, "ES": none},
        "drop-ed": {"ED": none | {"MYO": 1.0, "RV": 0.5}, "ES": none},
        "partial-50": {"ED": none, "ES": none | {"MYO": 0.5}},
        "partial": {"ED": none, "ES": none | {"MYO": 1.0}},
    }
    about = {"tumor": datasets["tumor"], "heart": datasets["heart"] | {"labelings": shares}}
    told = "tumor: tumor; heart: MYO and RV missing in ED (drop-ed), MYO missing in ES (partial)."
    assert told in rendered("table1", datasets=about)


@pytest.mark.parametrize("path", sorted(REPORT.glob("*.rst")), ids=lambda path: path.stem)
def test_captions_render_and_are_valid_rst(path, datasets, tmp_path):
    job = SimpleNamespace(
        config={"study": "demo"},
        wildcards=SimpleNamespace(dataset="heart"),
        params=SimpleNamespace(datasets=datasets),
        input=["results/demo/table1.tsv"],
        # As the workflow names them: a name that no rule has would be left blank in the report.
        output={key: f"results/demo/{file}" for key, file in files_of_caption(path.stem).items()},
    )
    figure = tmp_path / "finding.svg"
    figure.write_text("<?xml?>\n<svg>\n <style>*{color: red}</style>\n</svg>\n")
    (tmp_path / "summary.txt").write_text("heart: MYO\n  ! a < b\n\nTake *I*.\nheart: sure.\n")
    files = [SimpleNamespace(path=figure), SimpleNamespace(path=tmp_path / "table1.html")]
    environment = Environment(undefined=StrictUndefined)
    text = environment.from_string(path.read_text()).render(snakemake=job, files=files)
    html = publish_parts(text, writer_name="html", settings_overrides={"halt_level": 2})["body"]
    assert html.count("<p>") + html.count("<li>") >= 2
    assert "system-message" not in html
    if path.stem == "workflow":  # the verdict comes first, as it stands in summary.txt
        verdict = html.index("<strong>Take *I*.</strong>")
        assert verdict < html.index("<strong>heart: sure.</strong>") < html.index("full</em>")
        assert "heart: MYO\n  ! a &lt; b</pre>" in html
