"""What was copied from elsewhere is not taken for the work of a study with other settings.

Snakemake runs a job again whose settings have changed; how they were stands in `.snakemake`. What
was copied without it counts as up to date under any settings. The settings that lie beside results
and prepared files tell.
"""

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dicegrad.checksums import verify
from dicegrad.errors import InputError
from dicegrad.reporting.record import SETTINGS, plain, write_yaml
from dicegrad.study import Study, paths
from dicegrad.study.schemas import read_schema, read_yaml, shown, with_defaults

PREPARED = "settings.yaml"  # beside the prepared cases
_NOTES = Path(".snakemake") / "metadata"
_KINDS = (_NOTES, _NOTES.with_name("incomplete"))  # what is finished, and what is being made
_OF_STUDY = ("seed", "seeds", "draws")
_OF_CASES = ("adapter", "classes", "preprocessing")
# What changes nothing of a result; cases are compared with the fingerprints of their images.
_FREE = ("root", "download", "training.checkpoint_minutes")


def write_made_with(file: Path, settings: Mapping[str, Any]) -> None:
    """Write beside a file below resources/ with which settings it was made.

    It is for a study to which the file is copied, and for a plan; no other job reads it.
    """
    write_yaml(_made_with(file), settings)


def read_made_with(file: Path) -> dict[str, Any]:
    """The settings that `write_made_with` wrote; none where an earlier version wrote none.

    Raises:
        InputError: They are damaged.
    """
    return _read(_made_with(file))


def _made_with(file: Path) -> Path:
    """Of folds.tsv it is folds.settings.yaml."""
    return file.with_suffix(".settings.yaml")


def check_origin(study: Study, config: Mapping[str, Any]) -> None:
    """See that results and prepared files that were not made here fit to the study.

    Args:
        study: The study, whose results lie below the working folder.
        config: Its config, as Snakemake merged it.

    Raises:
        InputError: They are of another study, or of other settings; names what differs.
    """
    results = Path("results", study.name)
    copy = results / SETTINGS / "config.yaml"
    before = _read(copy)
    if before and (name := before.get("study")) != study.name:
        raise InputError(
            f"{results}: holds the results of the study {shown(name)}, says {SETTINGS}/config.yaml "
            f"in it; rename it to results/{name}, or move it away"
        )
    weights = paths.fold_files(study, study.experiments, "weights.pt")
    if file := _foreign([*weights, *paths.score_files(study)]):
        if not before:  # as of versions before 0.2
            raise InputError(
                f"{file}: was not made in this folder, and nothing says with which settings; move "
                f"{results} away to make it here, or, if it was made with this config, copy that "
                f"to {copy}"
            )
        schema = read_schema("config")
        known = {key: value for key, value in before.items() if key in schema["properties"]}
        then, now = (with_defaults(each, schema, str(copy)) for each in (known, config))
        _compare(file, str(copy), then, now, _OF_STUDY, results)
    for name, dataset in study.datasets.items():
        copy = results / SETTINGS / "datasets" / f"{name}.yaml"
        if file:
            _compare(file, str(copy), _read(copy), dataset.settings, (), results)
        cases = Path("resources", name)
        if images := _foreign([f"{cases}/images.npy"]):
            copy = cases / PREPARED
            _compare(images, str(copy), _read(copy), dataset.settings, _OF_CASES, cases)
    for name, settings in dict(_prepared(study)).items():
        if _foreign([name]):
            copy = _made_with(Path(name))
            _compare(name, str(copy), _read(copy), settings, (), Path(name))


def _prepared(study: Study) -> Iterator[tuple[str, dict[str, Any]]]:
    """Folds, labels and epsilons of a study, and the parameters of the rules that make them."""
    for name, dataset in study.datasets.items():
        yield f"resources/{name}/folds.tsv", {"folds": vars(dataset.folds)}
    for each in study.experiments:
        dataset, cases = study.datasets[each.dataset], f"resources/{each.dataset}"
        removals = [vars(removal) for removal in dataset.labeling(each.labeling).removals]
        labeled = {"classes": dataset.block("classes"), "removals": removals}
        for file in (f"annotated/{each.labeling}.tsv", paths.labels_file(each.labeling)):
            yield f"{cases}/{file}", labeled
        sampling = dataset.listed(each.labeling)
        counted = {"fold_count": dataset.folds.count, "sampling": sampling}
        yield f"{cases}/{paths.epsilon_file(each)}", counted


def _read(path: Path) -> dict[str, Any]:
    """Settings beside a result; none where an earlier version left none."""
    if not path.is_file():
        return {}
    verify(path)
    return read_yaml(path)


def _foreign(files: Iterable[str]) -> str | None:
    """The first file that is there and of which Snakemake has no note, if that can be told."""
    if _NOTES.with_suffix(".db").exists():  # its other way to keep them
        return None
    there = (file for file in files if Path(file).exists())
    return next(
        (file for file in there if not any(_note(file, at).exists() for at in _KINDS)), None
    )


def _note(file: str, kind: Path = _NOTES) -> Path:
    most = 254  # characters of a name; longer ones are folders
    name = urlsafe_b64encode(file.encode()).decode()
    parts = [name[start : start + most] for start in range(0, len(name), most)]
    return kind.joinpath(*(f"@{part}" for part in parts[:-1]), parts[-1])


def _compare(
    file: str,
    where: str,
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    only: tuple[str, ...],
    folder: Path,
) -> None:
    if not before:
        return
    then, today = dict(_flat(plain(before))), dict(_flat(plain(now)))
    for key in {**then, **today}:
        if then.get(key) == today.get(key) or (only and key.split(".")[0] not in only):
            continue
        if not any(f"{key}.".startswith(f"{free}.") for free in _FREE):
            was, is_now = (shown(each.get(key, "not set")) for each in (then, today))
            raise InputError(
                f"{file}: was not made in this folder, and with other settings: {key} was {was} "
                f"({where}) and is now {is_now}; set it back, or move {folder} away to make it here"
            )


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _flat(each, f"{key}.{name}" if key else str(name))
    else:
        yield key, value
