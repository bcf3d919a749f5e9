"""`JetArray` to and from PyG and awkward, without a loop over jets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError

if TYPE_CHECKING:
    import awkward
    from torch_geometric.data import Data

    from pyg_jets.jets.array import JetArray

__all__ = ["from_awkward", "from_pyg", "to_awkward", "to_storage"]


def to_storage(jets: JetArray, axis: str) -> tuple[Data, dict[str, torch.Tensor]]:
    """See :meth:`pyg_jets.JetArray.to_storage`."""
    from torch_geometric.data import Data

    ptr, each = torch.tensor(jets.ptr), torch.arange(len(jets) + 1)
    tensors = {"x": torch.tensor(jets.particles)}
    if {"pt", "eta", "phi"} <= set(jets.columns):
        tensors["pos"] = torch.from_numpy(jets.relative_positions(axis))
    slices = dict.fromkeys(tensors, ptr)
    if jets.labels is not None:
        tensors["y"] = torch.tensor(jets.labels)
    if floats := [jets.jets[name] for name in jets.float_jet_columns]:
        tensors["jet"] = torch.from_numpy(np.stack(floats, -1).astype(np.float32))
    tensors["jet_id"] = torch.tensor(jets.ids)
    for name, value in jets.jets.items():
        if value.dtype.kind != "f":
            tensors[name] = torch.tensor(value.astype(np.int64))
    slices |= {name: each for name in tensors if name not in slices}
    return Data(**tensors), slices


def from_pyg(
    batch: Data, columns: Sequence[str], jet_columns: Sequence[str] = (), attribute: str = "x"
) -> dict[str, Any]:
    """The arguments of the `JetArray` of a PyG batch, or of one graph."""
    values = batch.to_dict()
    check_names((attribute,), values, "attribute of the batch")
    ptr = _pointer(batch, attribute)
    shape = (len(ptr) - 1,)
    known = (attribute, "x", "ptr", "y", "jet_id", "batch")
    rest = _float_columns(batch, jet_columns)
    rest |= {
        name: _numpy(value)
        for name, value in values.items()
        if name not in known and not name.endswith(("_batch", "_ptr"))
        and isinstance(value, torch.Tensor) and value.shape == shape
    }  # fmt: skip
    return {
        "particles": _numpy(values[attribute]),
        "columns": tuple(columns),
        "ptr": _numpy(ptr),
        "labels": _numpy(batch.y) if "y" in batch else None,
        "ids": _numpy(batch.jet_id) if "jet_id" in batch else None,
        "jets": rest,
    }


def _pointer(batch: Data, attribute: str) -> torch.Tensor:
    name = "ptr" if attribute == "x" else f"{attribute}_ptr"
    if name in batch:
        return batch[name]
    if "ptr" not in batch:
        return torch.tensor([0, len(batch[attribute])])
    raise InputError(
        f"The batch has no {name}, expected it for the jets of {attribute}: load it with "
        f"follow_batch=[{attribute!r}]."
    )


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    # on any device
    return tensor.detach().cpu().numpy()


def _float_columns(batch: Data, names: Sequence[str]) -> dict[str, np.ndarray]:
    if not names:
        return {}
    shape = list(batch.jet.shape) if "jet" in batch else None
    if shape is None or shape[-1] != len(names):
        raise InputError(
            f"Expected jet of shape [J, {len(names)}] for the columns {', '.join(names)}, but got "
            f"{'none' if shape is None else shape}: give the jet_columns of the data set."
        )
    return {name: _numpy(batch.jet[:, i]) for i, name in enumerate(names)}


def to_awkward(jets: JetArray) -> awkward.Array:
    """See :meth:`pyg_jets.JetArray.to_awkward`."""
    import awkward as ak

    particles = ak.zip({name: jets.column(name) for name in jets.columns}, depth_limit=1)
    fields = {"constituents": ak.unflatten(particles, jets.counts), "jet_id": jets.ids}
    if jets.labels is not None:
        fields["label"] = jets.labels
    return ak.zip({**fields, **jets.jets}, depth_limit=1)


def from_awkward(array: awkward.Array, constituents: str) -> dict[str, Any]:
    """The arguments of the `JetArray` of an awkward array of records."""
    import awkward as ak

    check_names((constituents,), ak.fields(array), "field of the awkward array")
    inside = array[constituents]
    ptr = np.concatenate(([0], np.cumsum(ak.to_numpy(ak.num(inside)))))
    flat = ak.flatten(inside)
    names = tuple(ak.fields(flat))
    rest = {name: ak.to_numpy(array[name]) for name in ak.fields(array) if name != constituents}
    return {
        "particles": np.stack([ak.to_numpy(flat[name]) for name in names], -1),
        "columns": names,
        "ptr": ptr,
        "labels": rest.pop("label", None),
        "ids": rest.pop("jet_id", None),
        "jets": rest,
    }
