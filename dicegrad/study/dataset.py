"""A dataset as its user writes it: one file of settings, checked once and typed from there on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dicegrad.errors import InputError, nearest
from dicegrad.files import user_path
from dicegrad.study.dataset_checks import NNUNET, UNET, check_sense, checked, merge
from dicegrad.study.experiment import Experiment
from dicegrad.study.labeling import (
    AS_ANNOTATED,
    PARTIAL,
    Labeling,
    Removal,
    find_labeling,
    make_labelings,
    of_partial,
)
from dicegrad.study.regions import check_regions, overlap
from dicegrad.study.schemas import Settings, read_schema, read_yaml

# Switches of the authors' code, and whether an experiment depends on one. `sampled` tells whether
# cases of a group are listed several times for it.
RELEASED = {
    "loss_scale": lambda experiment, sampled: experiment.loss == "dice",
    "epsilon_broadcast": lambda experiment, sampled: (
        experiment.loss == "dice" and experiment.multiple is not None
    ),
    "patience": lambda experiment, sampled: sampled,
    "masked_scores": lambda experiment, sampled: experiment.labeling == PARTIAL,
    "soft_volumes": lambda experiment, sampled: True,
}
OF_TRAINING = ("loss_scale", "epsilon_broadcast", "patience")


@dataclass(frozen=True)
class Folds:
    """How subjects are assigned to folds.

    Attributes:
        count: Number of folds, at least 2.
        method: `modulo`, `legacy_shuffle`, `stratified`, `balanced` or `listed`; see
            `preprocessing.folds.make_folds`.
        seed: Seed of the shuffles, at least 0.
        file: The splits of `listed`; empty for the others.
    """

    count: int = 5
    method: str = "stratified"
    seed: int = 0
    file: str = ""


@dataclass(frozen=True)
class Dataset:
    """The settings of one dataset.

    Attributes:
        name: Name of its file.
        adapter: How its folder is laid out; a key of `data.adapters.ADAPTERS`, or `auto`.
        root: Its folder.
        classes: Foreground classes, in network order.
        missing: What the labeling `partial` takes away; None if the dataset does not say.
        labelings: The labelings that the dataset has, by name.
        folds: How subjects are assigned to folds.
        sampling: Labeling -> group -> how often its cases are listed under a heuristic epsilon.
        released: Switches of the authors' code.
        engine: What trains and predicts: `unet` or `nnunet`.
        settings: All blocks as they were written, for the jobs that read one.
    """

    name: str
    adapter: str
    root: Path
    classes: tuple[str, ...]
    missing: Removal | None
    labelings: Mapping[str, Labeling]
    folds: Folds
    sampling: Mapping[str, Mapping[str, int]]
    released: tuple[str, ...]
    engine: str
    settings: Settings

    @classmethod
    def read(
        cls,
        path: Path,
        changes: Mapping[str, Any] | None = None,
        config_file: str = "config",
    ) -> "Dataset":
        """Read a dataset file: the only door for workflow and command line.

        Args:
            path: Such as config/datasets/acdc.yaml.
            changes: Settings that replace those of the file, key by key.
            config_file: Where the changes come from, for messages.

        Raises:
            InputError: The file cannot be read, or a setting is missing or wrong.
        """
        settings, where, schema = read_yaml(path), str(path), read_schema("dataset")
        settings = checked(settings, schema, where)
        if changes:
            where = f"{config_file}: datasets.{path.stem}"
            settings = checked(merge(settings, changes), schema, where)
        check_sense(settings, where)
        return cls.from_settings(path.stem, settings)

    @classmethod
    def from_settings(cls, name: str, settings: Settings) -> "Dataset":
        """A dataset of settings that were checked."""
        root = user_path(settings["root"])
        missing = Removal.from_dict(settings["missing"]) if "missing" in settings else None
        return cls(
            name=name,
            adapter=settings["adapter"],
            root=root,
            classes=tuple(settings["classes"]),
            missing=missing,
            labelings=make_labelings(missing, settings.get("labelings", {})),
            folds=Folds(**settings["folds"]),
            sampling=settings.get("sampling", {}),
            released=tuple(settings.get("released", ())),
            engine=settings.get("engine", UNET),
            settings={**settings, "root": str(root)},
        )

    def block(self, *keys: str, default: Any = None) -> Any:  # noqa: ANN401
        """One slice of the settings, plain values, such as `block("preprocessing", "crop")`."""
        value: Any = self.settings
        for key in keys[:-1]:
            value = value.get(key, {})
        return value.get(keys[-1], default)

    def labeling(self, name: str) -> Labeling:
        """The labeling of that name.

        Raises:
            InputError: The dataset has none.
        """
        return find_labeling(name, self.labelings)

    def check_engine(self, experiment: Experiment) -> None:
        """See that the engine can train an experiment.

        Raises:
            InputError: It cannot.
        """
        flat = self.block("nnunet", "configuration") == "2d"
        if self.engine == NNUNET and flat and experiment.multiple is not None:
            raise InputError(
                f"epsilon {experiment.epsilon} is the volume of a case, and nnU-Net's 2d "
                "configuration sees slices; write a number, or nnunet.configuration: 3d_fullres"
            )

    def sampling_of(self, experiment: Experiment) -> dict[str, int]:
        """Group -> how often its cases are listed in an epoch, where the epsilon is heuristic."""
        return self.listed(experiment.labeling) if experiment.multiple is not None else {}

    def listed(self, labeling: str) -> dict[str, int]:
        """Group -> how often its cases count in the heuristic epsilon.

        A share of partial is sampled as `partial` is, and no other labeling goes by a name that is
        not its own; a group that is not named counts once.
        """
        return dict(self.sampling.get(PARTIAL if of_partial(labeling) else labeling, {}))

    def released_of(self, experiment: Experiment) -> tuple[str, ...]:
        """The switches of the authors' code that an experiment depends on."""
        sampled = bool(self.sampling_of(experiment))
        return tuple(
            switch
            for switch, applies in RELEASED.items()
            if switch in self.released and applies(experiment, sampled)
        )

    def released_training(self, experiment: Experiment) -> list[str]:
        """Those of `released_of` that change a training run."""
        return [switch for switch in self.released_of(experiment) if switch in OF_TRAINING]

    def folds_to_run(self, wanted: str | list[int]) -> list[int]:
        """The folds that a study runs: all, or those it lists.

        Raises:
            InputError: A fold that the dataset does not have.
        """
        count = self.folds.count
        if wanted == "all":
            return list(range(count))
        if beyond := [fold for fold in wanted if not 0 <= int(fold) < count]:
            raise InputError(
                f"folds: {beyond[0]} is not a fold of {self.name}; it has 0 to {count - 1}"
            )
        return [int(fold) for fold in wanted]

    def about(self, groups: Sequence[str], labelings: Iterable[str]) -> dict[str, Any]:
        """What tables and figures need to know, plain values.

        Args:
            groups: Of the data.
            labelings: Those that the study trains on.

        Returns:
            `groups`; `classes`; `missing`, the group of the key `missing`, or else the only one
            that lacks labels (empty if there is no single one), and the classes that are reported:
            those that lose maps, or else those of the key; `labelings`: labeling -> group -> class
            -> share of the maps that it takes away. Which group lacks what under which labeling
            these shares tell, not `missing`.
        """
        shares = {
            name: {
                group: {
                    each: self.labeling(name).missing_share(group, each) for each in self.classes
                }
                for group in groups
            }
            for name in labelings
        }
        return {
            "groups": list(groups),
            "classes": list(self.classes),
            "missing": self._reported(shares),
            "labelings": shares,
        }

    def _reported(self, shares: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, Any]:
        """`missing` of `about`, from its `labelings`."""
        lacking = {
            (group, each)
            for of_group in shares.values()
            for group, of_class in of_group.items()
            for each, share in of_class.items()
            if share > 0
        }
        every = {group for of_group in shares.values() for group in of_group}
        concerned = {group for group, _ in lacking}
        if self.missing:
            group, first = self.missing.group or "", self.missing.classes
        else:
            alone = len(concerned) == 1 < len(every)
            group, first = concerned.pop() if alone else "", self.classes
        touched = {each for _, each in lacking}
        if not touched or (self.missing and AS_ANNOTATED in shares):  # the data may lack those
            touched |= set(first)
        return {
            "group": group,
            "classes": [each for each in dict.fromkeys([*first, *self.classes]) if each in touched],
        }

    def check_names(
        self, values: Mapping[str, Sequence[int]], groups: tuple[str, ...] | None
    ) -> None:
        """See that the groups and classes which the settings name are those of the data.

        Args:
            values: The label values of each class of the data.
            groups: Those of the data; None where they are not known, as of new images.

        Raises:
            InputError: One is not, say a misspelt group; or classes overlap that cannot, see
                `check_regions`.
        """
        named: dict[str, list[str]] = {
            "missing.group": [self.missing.group] if self.missing and self.missing.group else [],
            "labelings": [
                removal.group
                for labeling in self.labelings.values()
                for removal in labeling.removals
                if removal.group
            ],
            "examples": list(self.block("examples", default={})),
            **{f"sampling.{labeling}": list(times) for labeling, times in self.sampling.items()},
        }
        checks: list[tuple[str, list[str], tuple[str, ...], str]] = [
            ("classes", list(self.classes), tuple(values), "classes")
        ]
        if groups is not None:
            checks += [(key, names, groups, "groups") for key, names in named.items()]
        for key, names, known, word in checks:
            if unknown := [name for name in names if name not in known]:
                raise InputError(
                    f"dataset {self.name}: {key} names {unknown[0]!r}; the {word} of its data are "
                    f"{', '.join(known)}{nearest(unknown[0], known)}"
                )
        self._check_regions({name: values[name] for name in self.classes})

    def _check_regions(self, values: Mapping[str, Sequence[int]]) -> None:
        """Classes may share label values, as nnU-Net's regions do, where that can be trained."""
        check_regions(f"dataset {self.name}", values, self.released)
        if self.engine == NNUNET and overlap(values):
            raise InputError(
                f"dataset {self.name}: some of its classes share label values, which is for the "
                f"engine {UNET}; take that, or classes that exclude each other"
            )
