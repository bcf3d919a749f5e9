"""Whether a checkpoint belongs to the network that it is to be read into."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from pyg_jets.errors import InputError

__all__ = ["check_fit"]


def check_fit(task: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Compare the weights of a checkpoint with those of a task.

    Args:
        task: The task.
        state: The weights of the checkpoint.

    Raises:
        ValueError: If one has weights that the other has not, or of another shape.

    Examples:
        >>> check_fit(nn.Linear(2, 3), nn.Linear(2, 3).state_dict())
        >>> try:
        ...     check_fit(nn.Linear(2, 3), nn.Linear(2, 4).state_dict())
        ... except ValueError as error:
        ...     print(str(error).partition(" in")[0])
        The checkpoint is of another configuration: bias is [4] there and [3]
    """
    here = {name: list(value.shape) for name, value in task.state_dict().items()}
    there = {name: list(value.shape) for name, value in state.items()}
    for name in sorted(here.keys() | there.keys()):
        if here.get(name) != there.get(name):
            ours, theirs = here.get(name, "missing"), there.get(name, "missing")
            raise InputError(
                f"The checkpoint is of another configuration: {name} is {theirs} there and {ours} "
                "in the network. Give the configuration that it was trained with."
            )
