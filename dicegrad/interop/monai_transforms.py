"""A MONAI transform that says which classes of a case were looked for."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from dicegrad.data.annotated import read_annotated
from dicegrad.errors import InputError


class AnnotatedMapsd(MapTransform):
    """Puts ``annotated``, (K,) bool, beside the label of a case: which classes were looked for.

    Args:
        keys: The label; its file name, without its ending, is the name of the case.
        table: A table with the columns case and annotated: names of classes separated by commas,
            ``all`` or ``none``. A case that is not listed counts as annotated for all.
        classes: Names of the foreground classes, in the order of the channels.
        name: Key of what is put there.
        case_key: Key of an entry that holds the name of the case, where the label has no file
            name.
        allow_missing_keys: As for every dictionary transform.

    Raises:
        InputError: The table cannot be read, or names another class.
    """

    def __init__(
        self,
        keys: KeysCollection,
        table: Path | str,
        classes: Sequence[str],
        name: str = "annotated",
        case_key: Hashable | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.table = read_annotated(Path(table), classes)
        self.classes, self.name, self.case_key = tuple(classes), name, case_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the entries of a case and what is annotated in it.

        Raises:
            InputError: The case has no name.
        """
        result = dict(data)
        for key in self.key_iterator(result):
            known = self.table.get(self._case(result, key))
            flags = [known is None or each in known for each in self.classes]
            result[self.name] = torch.tensor(flags)
        return result

    def _case(self, data: Mapping[Hashable, Any], key: Hashable) -> str:
        if self.case_key is not None:
            if self.case_key not in data:
                raise InputError(f"case_key is {self.case_key!r}, which the data do not have")
            return str(data[self.case_key])
        about = getattr(data[key], "meta", {})
        path = data[key] if isinstance(data[key], str | Path) else about.get("filename_or_obj")
        if not path:
            raise InputError(
                f"{key}: has no file name in its meta data; load it with LoadImaged, or give "
                "case_key, the key of the case's name"
            )
        return Path(str(path).removesuffix(".gz")).stem
