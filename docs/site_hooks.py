"""What the site holds besides the pages of this folder; called by mkdocs (`make docs`).

Files that have to lie elsewhere in the repository become pages, links between them and docs/ are
made those of the site, the command line is described by its own help, and formulas become MathML,
which a browser draws without a script or a network.
"""

import argparse
import base64
import os
import re
from pathlib import Path, PurePosixPath

import nbformat
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Link, Navigation, Section
from mkdocs.structure.pages import Page

from dicegrad.cli import COMMANDS
from dicegrad.reporting.outputs import ALWAYS, OUTPUTS, files_of

REPOSITORY = Path(__file__).parents[1]
# Page -> file of the repository.
ELSEWHERE = {
    "config.md": "config/README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
}
PAGES = {path: page for page, path in ELSEWHERE.items()}
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie elsewhere or are made."""
    for page, path in ELSEWHERE.items():
        text = (REPOSITORY / path).read_text()
        files.append(File.generated(config, page, content=text))
    for notebook in sorted((REPOSITORY / "docs").rglob("*.ipynb")):
        page = notebook.relative_to(REPOSITORY / "docs").with_suffix(".md")
        for path, content in read_notebook(notebook, page).items():
            files.append(File.generated(config, path, content=content))
    made = {"reference/command-line.md": command_line(), "reference/outputs.md": outputs()}
    for page, text in made.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> Navigation:
    """List the explorer, which is a page of its own and no Markdown, with the theory."""
    for section in nav.items:
        if isinstance(section, Section) and section.title == "Theory":
            section.children.append(Link("Explorer", "explorer.html"))
    return nav


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make links between files of the repository those of the site."""
    source = ELSEWHERE.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    start = PurePosixPath(page.file.src_uri).parent

    def to_site(match: re.Match[str]) -> str:
        target = os.path.normpath(PurePosixPath(source).parent / match[1])
        target = PAGES.get(target, target.removeprefix("docs/"))
        if target.endswith(".ipynb"):
            target = str(PurePosixPath(target).with_suffix(".md"))
        return os.path.relpath(target, start)

    return _LINK.sub(to_site, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn formulas into MathML."""

    def to_mathml(match: re.Match[str]) -> str:
        latex = match[2].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        return convert(latex, display="block" if match[1] == "div" else "inline")

    return _FORMULA.sub(to_mathml, html)


def read_notebook(notebook: Path, page: Path) -> dict[str, str | bytes]:
    """A notebook as a page, and the images that it shows."""
    texts, files = [], {}
    for cell in nbformat.read(notebook, 4).cells:
        if cell.cell_type == "markdown":
            texts.append(cell.source)
            continue
        language = "bash" if cell.source.startswith("!") else "python"
        texts.append(f"```{language}\n{cell.source.removeprefix('!')}\n```")
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/png" in data:
                image = f"{page.stem}-{len(files)}.png"
                files[str(page.with_name(image))] = base64.b64decode(data["image/png"])
                texts.append(f"![What the cell shows]({image})")
            else:
                said = output.get("text") or data.get("text/plain", "")
                texts.append(f"```text\n{said.rstrip()}\n```")
    return {str(page): "\n\n".join(texts) + "\n", **files}


def command_line() -> str:
    """The help of every command."""
    parser = argparse.ArgumentParser(prog="dicegrad")
    commands = parser.add_subparsers()
    for add in COMMANDS:
        add(commands)
    os.environ["COLUMNS"] = "90"
    texts = ["# Command line\n\nEvery command says this with `--help`."]
    for name, command in commands.choices.items():
        texts.append(f"## dicegrad {name}\n\n```text\n{command.format_help()}```")
    return "\n\n".join(texts) + "\n"


def outputs() -> str:
    """What a study leaves, from the table that the workflow takes it from."""
    lines = [
        "# Outputs\n",
        "Everything lies in `results/<study>/`. The key `outputs` of the [config](../config.md) "
        "chooses by the word in the first column; columns of the tables are explained in "
        "[Statistics](../statistics.md).\n",
        "| `outputs` | files | what |\n|---|---|---|",
        f"| always | {' '.join(f'`{name}`' for name in ALWAYS)} | a row per case and class; the "
        "epsilons that were used; the software |",
    ]
    for name, output in OUTPUTS.items():
        word = output.word or name
        files = " ".join(f"`{path}`" for path in files_of(name, "<dataset>").values())
        titles = [output.title, *(table.title for table in output.tables.values())]
        lines.append(f"| `{word}` | {files} | {'; '.join(filter(None, titles))} |")
    lines += [
        "| always | `dataset~.../fold~<n>/`, `.../seed~<n>/fold~<n>/` | of each experiment, "
        "fold and further seed: `weights.pt`, `history.tsv`, `train.log`, `scores.tsv`, and "
        "predictions as NIfTI on the original grid |",
        "| always | `study/`, `SHA256SUMS` | settings and commands of the study, and a checksum of "
        "every file, which `dicegrad verify` checks |",
    ]
    return "\n".join(lines) + "\n"
