"""The processes of data-parallel training whose batches a loss counts as one."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dicegrad.errors import InputError

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


class Group:
    """A process group that can be copied and pickled, and found once training has begun.

    A ``ProcessGroup`` can be neither copied nor pickled, and ``torch.distributed.group.WORLD`` is
    None before ``init_process_group``. So a group travels by its name, and "world" is looked up
    at every forward.

    Args:
        group: A process group, its name, or "world": all processes, or this one alone where
            ``torch.distributed`` has not been initialised.
    """

    def __init__(self, group: "ProcessGroup | str") -> None:
        if isinstance(group, str) or hasattr(group, "group_name"):
            self._group = group
            return
        raise InputError(f"process_group is {group!r}; it must be a process group, 'world' or None")

    def __repr__(self) -> str:
        return repr(self.name)

    def __getstate__(self) -> dict[str, str]:
        return {"_group": self.name}

    @property
    def name(self) -> str:
        """The name it travels by."""
        if isinstance(self._group, str):
            return self._group
        world = torch.distributed.group.WORLD if torch.distributed.is_initialized() else None
        return "world" if self._group is world else str(self._group.group_name)

    def find(self) -> "ProcessGroup | None":
        """The process group, or None for a world of one process.

        Raises:
            InputError: If there is no group of this name.
        """
        if not isinstance(self._group, str):
            return self._group
        running = torch.distributed.is_available() and torch.distributed.is_initialized()
        if self._group == "world":
            return torch.distributed.group.WORLD if running else None
        try:
            find: Any = torch.distributed.distributed_c10d._resolve_process_group
            return find(self._group)
        except (AttributeError, RuntimeError, ValueError):
            raise InputError(
                f"process_group is {self._group!r}, and this process has no group of that name: "
                "give 'world' or a group that new_group returned"
            ) from None


def add_up(values: Tensor, group: Group | None) -> int:
    """Add the values of all processes in place; return how many processes there are."""
    found = None if group is None else group.find()
    if found is None:
        return 1
    torch.distributed.all_reduce(values, group=found)
    return torch.distributed.get_world_size(found)
