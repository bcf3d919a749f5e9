"""`JetArray`, the ragged table of jets, and its conversions to and from PyG and awkward."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pyg_jets import kinematics
from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.jets.checks import as_array, as_pointer, check_values, frozen, per_jet

if TYPE_CHECKING:
    import awkward
    from torch_geometric.data import Data, InMemoryDataset

__all__ = ["JetArray"]


@dataclass(frozen=True, eq=False, repr=False)
class JetArray:
    """Jets as one flat table of particles and a pointer to where each jet begins.

    A PyG ``Batch`` holds graphs in the same way, as ``x`` and ``ptr``. Four jets of 2, 0, 1 and 3
    particles::

        particles   0 1 | | 2 | 3 4 5     rows of [N, F], N = 6
        ptr         0   2 2   3       6   jet j is particles[ptr[j]:ptr[j + 1]]

    Nothing is padded, and an empty jet is a jet. A `JetArray` is immutable and valid: its arrays
    are read-only, and a NaN, an infinite or a negative energy is refused by the name of the jet, as
    is a weight that is negative or not finite.

    Args:
        particles: One row a particle, ``[N, F]`` float32, jet after jet.
        columns: The ``F`` names of the particle columns (GeV and radians, see
            :mod:`pyg_jets.columns`).
        ptr: Ragged pointer ``[J + 1]`` int64: jet ``j`` is ``particles[ptr[j]:ptr[j + 1]]``.
        labels: A class for each jet, ``[J]`` int64, or ``None``.
        jets: Columns with a value for each jet, ``{name: [J]}``. A column ``weight``, not negative,
            says how much the jet counts in losses, metrics, tables and figures.
        ids: A number for each jet, ``[J]`` int64, that it keeps through slicing and concatenation.
            The detector draws its random numbers from it. Default: ``0 … J - 1``.

    Raises:
        ValueError: For particles, pointer or columns that do not fit together.

    Examples:
        >>> import numpy as np
        >>> jets = JetArray(np.ones((3, 2)), ("pt", "eta"), [0, 2, 2, 3])
        >>> jets
        JetArray(3 jets, 3 particles, columns=(pt, eta))
        >>> jets.counts.tolist(), jets[1:].ids.tolist()
        ([2, 0, 1], [1, 2])
    """

    particles: np.ndarray
    columns: tuple[str, ...]
    ptr: np.ndarray
    labels: np.ndarray | None = None
    jets: Mapping[str, np.ndarray] = field(default_factory=dict)
    ids: Any = None

    def __post_init__(self) -> None:
        columns = (self.columns,) if isinstance(self.columns, str) else tuple(self.columns)
        check_names(columns, columns, "particle column")
        particles = as_array(self.particles, np.float32, "particles")
        ptr = as_pointer(self.ptr, particles, len(columns))
        n_jets = len(ptr) - 1
        ids = np.arange(n_jets) if self.ids is None else self.ids
        values = {
            "columns": columns,
            "particles": frozen(particles),
            "ptr": frozen(ptr),
            "ids": frozen(per_jet(ids, n_jets, "ids", np.int64)),
            "jets": {str(k): frozen(per_jet(v, n_jets, k)) for k, v in self.jets.items()},
        }
        if self.labels is not None:
            values["labels"] = frozen(per_jet(self.labels, n_jets, "labels", np.int64))
        for name, value in values.items():
            object.__setattr__(self, name, value)
        check_values(self)

    def __len__(self) -> int:
        return len(self.ptr) - 1

    def __repr__(self) -> str:
        extras = "" if self.labels is None else ", labels"
        extras += f", jets=({', '.join(self.jets)})" if self.jets else ""
        return (
            f"JetArray({len(self)} jets, {len(self.particles)} particles, "
            f"columns=({', '.join(self.columns)}){extras})"
        )

    @property
    def counts(self) -> np.ndarray:
        """Number of particles of each jet, ``[J]`` int64."""
        return np.diff(self.ptr)

    def column(self, name: str) -> np.ndarray:
        """One particle column, ``[N]`` float32.

        Args:
            name: The column.

        Raises:
            ValueError: If there is no such column.
        """
        (name,) = check_names((name,), self.columns, "particle column")
        return self.particles[:, self.columns.index(name)]

    def select(self, names: Iterable[str]) -> JetArray:
        """The same jets with only these particle columns, in this order.

        Args:
            names: The columns.

        Raises:
            ValueError: If one of them does not exist.
        """
        names = check_names(names, self.columns, "particle column")
        taken = self.particles[:, [self.columns.index(name) for name in names]]
        return replace(self, particles=taken, columns=names)

    def with_jets(self, **columns: Any) -> JetArray:
        """The same jets with jet columns added or replaced.

        Args:
            columns: A value for each jet, ``name=[J]``.
        """
        return replace(self, jets={**self.jets, **columns})

    def with_labels(self, labels: Any) -> JetArray:
        """The same jets with other labels.

        Args:
            labels: A class for each jet, ``[J]``, or one for all.
        """
        return replace(self, labels=np.broadcast_to(np.asarray(labels), len(self)))

    def __getitem__(self, index: Any) -> JetArray:
        """Jets by slice, boolean mask or integer array (an integer gives a JetArray of one jet)."""
        if isinstance(index, int | np.integer):
            if not -len(self) <= index < len(self):
                raise IndexError(f"There is no jet {index} in a JetArray of {len(self)} jets.")
            index = [int(index)]
        chosen = np.arange(len(self))[index]
        counts = self.counts[chosen]
        ptr = np.concatenate(([0], np.cumsum(counts)))
        rows = np.repeat(self.ptr[chosen] - ptr[:-1], counts) + np.arange(ptr[-1])
        return replace(
            self,
            particles=self.particles[rows],
            ptr=ptr,
            labels=None if self.labels is None else self.labels[chosen],
            jets={name: value[chosen] for name, value in self.jets.items()},
            ids=self.ids[chosen],
        )

    @staticmethod
    def concatenate(parts: Sequence[JetArray]) -> JetArray:
        """Join jets of the same columns one after the other; they keep their ids.

        Args:
            parts: The jets to join.

        Raises:
            ValueError: If there is nothing to join, or the columns differ.
        """
        if not parts:
            raise InputError("Expected at least one JetArray to concatenate, but got none.")
        first = parts[0]
        for part in parts[1:]:
            layout = (part.columns, set(part.jets), part.labels is None)
            if layout != (first.columns, set(first.jets), first.labels is None):
                raise InputError(
                    f"Expected jets with the same columns, but got {first!r} and {part!r}: "
                    "use select(…), with_jets(…) and with_labels(…) first."
                )
        labels = [part.labels for part in parts if part.labels is not None]
        offsets = np.cumsum([0, *(part.ptr[-1] for part in parts)])
        ptrs = [part.ptr[1:] + off for part, off in zip(parts, offsets[:-1], strict=True)]
        return JetArray(
            np.concatenate([part.particles for part in parts]),
            first.columns,
            np.concatenate([[0], *ptrs]),
            np.concatenate(labels) if labels else None,
            {name: np.concatenate([p.jets[name] for p in parts]) for name in first.jets},
            np.concatenate([part.ids for part in parts]),
        )

    def equals(self, other: JetArray) -> bool:
        """Whether both hold the same jets, to the bit.

        Args:
            other: The jets to compare with.
        """
        if (self.columns, set(self.jets)) != (other.columns, set(other.jets)):
            return False
        pairs = [(self.particles, other.particles), (self.ptr, other.ptr), (self.ids, other.ids)]
        pairs += [(self.jets[name], other.jets[name]) for name in self.jets]
        if self.labels is not None and other.labels is not None:
            pairs.append((self.labels, other.labels))
        elif self.labels is not other.labels:
            return False
        return all(np.array_equal(a, b) for a, b in pairs)

    @cached_property
    def momentum(self) -> dict[str, np.ndarray]:
        """E-scheme sum of each jet: ``pt, eta, rapidity, phi, mass``, each ``[J]`` float64.

        A missing mass column counts as massless.
        """
        pt, eta, phi = (self.column(name) for name in ("pt", "eta", "phi"))
        mass = self.column("mass") if "mass" in self.columns else np.zeros_like(pt)
        px, py, pz, energy = kinematics.jet_momentum(pt, eta, phi, mass, self.ptr)
        jet_pt, jet_eta, jet_phi, jet_mass = kinematics.to_cylindrical(px, py, pz, energy)
        y = kinematics.rapidity(jet_pt, jet_eta, jet_mass)
        return {"pt": jet_pt, "eta": jet_eta, "rapidity": y, "phi": jet_phi, "mass": jet_mass}

    def relative_positions(self, axis: str = "jet") -> np.ndarray:
        """(η, φ) of each particle relative to its jet's axis, ``[N, 2]`` float32.

        Args:
            axis: ``"jet"``, the E-scheme axis, or ``"origin"``, for jets on a plane (the toys).
        """
        check_names((axis,), ("jet", "origin"), "axis")
        eta, phi = (self.column(name).astype(np.float64) for name in ("eta", "phi"))
        if axis == "jet":
            axes = [np.repeat(self.momentum[name], self.counts) for name in ("eta", "phi")]
        else:
            axes = [np.zeros_like(eta), np.zeros_like(phi)]
        return kinematics.relative(eta, phi, *axes).astype(np.float32)

    def to_storage(self, axis: str = "jet") -> tuple[Data, dict[str, torch.Tensor]]:
        """The ``(data, slices)`` that PyG's ``InMemoryDataset`` stores, without a loop over jets.

        ``data`` holds all jets one after the other, and ``slices[name]`` where each jet begins:
        ``x [N, F]`` all particle columns, ``pos [N, 2]`` = (η, φ) relative to ``axis`` (if there
        are ``pt``, ``eta`` and ``phi``), ``y [J]`` the labels, ``jet [J, K]`` the float jet
        columns, ``jet_id [J]``, and integer jet columns and ``weight`` under their own names.

        Args:
            axis: ``"jet"``, the E-scheme axis, or ``"origin"``, for jets on a plane (the toys).
        """
        from torch_geometric.data import Data

        tensors = {"x": torch.tensor(self.particles)}
        if {"pt", "eta", "phi"} <= set(self.columns):
            tensors["pos"] = torch.from_numpy(self.relative_positions(axis))
        slices = dict.fromkeys(tensors, torch.tensor(self.ptr))
        if self.labels is not None:
            tensors["y"] = torch.tensor(self.labels)
        if floats := [self.jets[name] for name in self.float_jet_columns]:
            tensors["jet"] = torch.from_numpy(np.stack(floats, -1).astype(np.float32))
        tensors["jet_id"] = torch.tensor(self.ids)
        for name, value in self.jets.items():
            if name == "weight":
                tensors[name] = torch.tensor(value.astype(np.float32))
            elif value.dtype.kind != "f":
                tensors[name] = torch.tensor(value.astype(np.int64))
        one_per_jet = torch.arange(len(self) + 1)
        slices |= {name: one_per_jet for name in tensors if name not in slices}
        return Data(**tensors), slices

    @property
    def float_jet_columns(self) -> tuple[str, ...]:
        """Names of the jet columns that go into ``jet [1, K]``, in order; ``weight`` is apart."""
        floats = (name for name, value in self.jets.items() if value.dtype.kind == "f")
        return tuple(name for name in floats if name != "weight")

    def to_pyg(self, axis: str = "jet") -> InMemoryDataset:
        """A PyG ``InMemoryDataset`` of one graph a jet, in memory, without a loop over jets.

        Its attributes are those of :meth:`to_storage`.

        Args:
            axis: ``"jet"``, the E-scheme axis, or ``"origin"``, for jets on a plane (the toys).

        Examples:
            >>> jets = JetArray([[9.0, 0.1, 0.2, 0.0]] * 3, ("pt", "eta", "phi", "mass"), [0, 1, 3])
            >>> dataset = jets.to_pyg()
            >>> dataset[1]
            Data(x=[2, 4], pos=[2, 2], jet_id=[1])
        """
        from torch_geometric.data import InMemoryDataset

        dataset = InMemoryDataset()
        dataset._data, dataset.slices = self.to_storage(axis)
        return dataset

    @classmethod
    def from_pyg(
        cls,
        batch: Data,
        columns: Sequence[str],
        jet_columns: Sequence[str] = (),
        attribute: str = "x",
    ) -> JetArray:
        """The jets of a PyG ``Batch`` (or of one graph), the inverse of :meth:`to_pyg`.

        Args:
            batch: The batch, with ``x`` and ``ptr``; ``y`` and ``jet_id`` are taken if there, and
                other attributes of one value a jet become jet columns.
            columns: The names of the columns of ``x``.
            jet_columns: The names of the columns of ``jet``, as the data set has them in
                ``jet_columns``. Default: ``jet`` is left out.
            attribute: The set of particles, ``"x"``, or ``"x_target"`` of GEN/RECO pairs.

        Raises:
            ValueError: If ``jet`` has another number of columns, or nothing says where the
                particles of each jet begin.
        """
        values = batch.to_dict()
        check_names((attribute,), values, "attribute of the batch")
        ptr = _particle_pointer(batch, attribute)
        jets = _float_jet_columns(batch, jet_columns)
        for name, value in values.items():
            is_column = isinstance(value, torch.Tensor) and value.shape == (len(ptr) - 1,)
            reserved = name in (attribute, "x", "ptr", "y", "jet_id", "batch")
            if is_column and not reserved and not name.endswith(("_batch", "_ptr")):
                jets[name] = _to_numpy(value)
        return cls(
            _to_numpy(values[attribute]),
            tuple(columns),
            _to_numpy(ptr),
            _to_numpy(batch.y) if "y" in batch else None,
            jets,
            _to_numpy(batch.jet_id) if "jet_id" in batch else None,
        )

    def to_awkward(self) -> awkward.Array:
        """The jets as awkward records: ``constituents`` (a list of records), ``jet_id``, ``label``
        if there are labels, and the jet columns.

        Examples:
            >>> jets = JetArray([[5.0], [7.0]], ("pt",), [0, 2, 2])
            >>> jets.to_awkward().constituents.pt.to_list()
            [[5.0, 7.0], []]
        """
        import awkward as ak

        particles = ak.zip({name: self.column(name) for name in self.columns}, depth_limit=1)
        fields = {"constituents": ak.unflatten(particles, self.counts), "jet_id": self.ids}
        if self.labels is not None:
            fields["label"] = self.labels
        return ak.zip({**fields, **self.jets}, depth_limit=1)

    @classmethod
    def from_awkward(cls, array: awkward.Array, constituents: str = "constituents") -> JetArray:
        """Read what :meth:`to_awkward` writes, or any record array with a jagged field.

        Args:
            array: Records with the jagged field ``constituents`` of numeric fields; ``jet_id`` and
                ``label`` are taken if there, other flat fields become jet columns.
            constituents: The name of the jagged field.

        Raises:
            ValueError: If there is no such field, or it holds no lists of records.
        """
        import awkward as ak

        fields = ak.fields(array)
        if constituents not in fields:
            raise InputError(_without_constituents(array, fields, constituents))
        jagged = array[constituents]
        columns = tuple(ak.fields(jagged))
        if not columns or jagged.ndim != 2:
            raise InputError(
                f"Expected a list of records (pt, eta, …) a jet in {constituents!r}, but got "
                f"{jagged.type}: make it with ak.zip({{'pt': …, 'eta': …}}) of jagged arrays."
            )
        if lists := [n for n in fields if n != constituents and array[n].ndim != 1]:
            raise InputError(
                f"Expected one number a jet in every field but {constituents!r}, but "
                f"{', '.join(lists)} holds lists: leave it out, or put it into {constituents!r}."
            )
        flat = ak.flatten(jagged)
        jets = {name: ak.to_numpy(array[name]) for name in fields if name != constituents}
        return cls(
            np.stack([ak.to_numpy(flat[name]) for name in columns], -1),
            columns,
            np.concatenate(([0], np.cumsum(ak.to_numpy(ak.num(jagged))))),
            jets.pop("label", None),
            ids=jets.pop("jet_id", None),
            jets=jets,
        )


def _without_constituents(array: awkward.Array, fields: list[str], constituents: str) -> str:
    """What is wrong with an awkward array that lacks the field of the constituents."""
    lists = [name for name in fields if array[name].ndim == 2]
    known = ", ".join(fields) or "none"
    said = f"The awkward array has no field {constituents!r}, it has {known}: "
    records = [name for name in lists if array[name].fields]
    if records:
        return f"{said}name the one of the constituents, as constituents={records[0]!r}."
    if lists:
        shown = ", ".join(f"{name!r}: array[{name!r}]" for name in lists[:2])
        more = ", …" * (len(lists) > 2)
        return (
            f"{said}its lists {', '.join(lists)} are those of the particles, so zip them: "
            f"ak.zip({{{constituents!r}: ak.zip({{{shown}{more}}})}}, depth_limit=1)."
        )
    return (
        f"{said}none of them holds a list a jet; if each entry is a particle, group them by jet "
        "with ak.unflatten(array, counts), and zip that."
    )


def _particle_pointer(batch: Data, attribute: str) -> torch.Tensor:
    """Where the particles of each jet begin, ``[J + 1]``."""
    name = "ptr" if attribute == "x" else f"{attribute}_ptr"
    if name in batch:
        return batch[name]
    if "ptr" not in batch:  # a graph of its own
        return torch.tensor([0, len(batch[attribute])])
    raise InputError(
        f"The batch has no {name}, expected it for the jets of {attribute}: load it with "
        f"follow_batch=[{attribute!r}]."
    )


def _float_jet_columns(batch: Data, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The columns of ``jet [J, K]`` by their names; none if no names are given."""
    if not names:
        return {}
    shape = list(batch.jet.shape) if "jet" in batch else None
    if shape is None or shape[-1] != len(names):
        raise InputError(
            f"Expected jet of shape [J, {len(names)}] for the columns {', '.join(names)}, but got "
            f"{'none' if shape is None else shape}: give the jet_columns of the data set."
        )
    return {name: _to_numpy(batch.jet[:, i]) for i, name in enumerate(names)}


def _to_numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
