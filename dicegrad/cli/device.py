"""The device that a command runs a network on."""

from dicegrad.errors import InputError


def device_there(name: str) -> str:
    """A device that is there; `auto` is a GPU where there is one."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, colon, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (colon and not number):
        raise InputError(f"device is {name!r}; choose auto, cpu, cuda, or one card such as cuda:1")
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device is {name}, but torch {torch.__version__} finds no GPU here")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if number and number not in map(str, range(count)):
        raise InputError(f"device is {name}, but there are 0 to {count - 1} of {kind} here")
    return name


def use_threads(count: int) -> None:
    """Let torch compute with so many threads on a CPU."""
    import torch

    torch.set_num_threads(count)
