"""`Detector`: rotation, smearing and calorimeter cells, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from pyg_jets.columns import CANONICAL, check_names
from pyg_jets.detector import pipeline, reference
from pyg_jets.detector.calorimeter import Calorimeter, grid_table
from pyg_jets.detector.pileup import Pileup
from pyg_jets.detector.random import CELLS, PARTICLES, mix
from pyg_jets.detector.response import KINDS, Response, response_table
from pyg_jets.detector.rotate_image import check_shape
from pyg_jets.detector.variants import canonical_particles, make_variants, parse_angles
from pyg_jets.errors import InputError
from pyg_jets.jets import JetArray
from pyg_jets.ops.kernel import use_kernels

__all__ = ["Detector"]


@dataclass(frozen=True)
class Detector:
    """A detector: jets are rotated before it, tracks are smeared, other particles summed in cells.

    Each random number depends on (seed, epoch, jet id, variant, particle or cell) alone, so the
    result is the same for any slicing, chunking and number of threads.

    Kinds of particles that a calorimeter names are summed into its cells. The others are measured
    one by one with the response of their kind, or stay as they are where it is ``None``. Those
    without a track, by efficiency, threshold or acceptance, are lost, unless a calorimeter absorbs
    them (its ``untracked``). Neutrinos are dropped once any kind has a response, and never enter
    cells.

    Args:
        charged_hadron: Response to charged hadrons.
        electron: Response to electrons.
        muon: Response to muons.
        photon: Response to photons that no calorimeter absorbs.
        neutral_hadron: Response to neutral hadrons that no calorimeter absorbs.
        calorimeters: The calorimeters, each for its own kinds.
        axis: What variants turn about: ``"jet"``, the (rapidity, φ) of the jet's momentum sum, or
            ``"origin"``, the point (0, 0), for jets on a plane.
        image: Pixels of the image of a jet, in η (or x) and φ (or y), within ± the jet's radius.

    Raises:
        ValueError: If two calorimeters absorb the same kind, or a kind has both; if an untracked
            kind has no response; for an image without pixels.

    Examples:
        >>> from pyg_jets.detector import Calorimeter, Grid
        >>> detector = Detector(
        ...     charged_hadron=Response(constant=0.01),
        ...     calorimeters=(Calorimeter(Grid(0.05, 0.4)),),
        ... )
        >>> Detector.preset("cms-like").axis
        'jet'
    """

    charged_hadron: Response | None = None
    electron: Response | None = None
    muon: Response | None = None
    photon: Response | None = None
    neutral_hadron: Response | None = None
    calorimeters: tuple[Calorimeter, ...] = ()
    axis: Literal["jet", "origin"] = "jet"
    image: tuple[int, int] = (32, 32)

    def __post_init__(self) -> None:
        check_names((self.axis,), ("jet", "origin"), "axis")
        object.__setattr__(self, "image", tuple(self.image))
        check_shape(self.image)
        object.__setattr__(self, "calorimeters", tuple(self.calorimeters))
        absorbed = {kind for c in self.calorimeters for kind in c.kinds}
        twice = [kind for kind in KINDS if kind in absorbed and getattr(self, kind) is not None]
        if twice:
            raise InputError(
                f"{', '.join(twice)} would be measured twice: drop the response, or take it out "
                "of the calorimeter's kinds."
            )
        untracked = {kind for c in self.calorimeters for kind in c.untracked}
        if sure := [k for k in KINDS if k in untracked and getattr(self, k) is None]:
            raise InputError(
                f"No {' or '.join(sure)} lacks a track without a response that loses it: give one "
                "with an efficiency, or move it from the calorimeter's untracked to its kinds."
            )
        responses = [getattr(self, kind) for kind in KINDS]
        nothing = Response(efficiency=((0.0,),))
        has_response = any(r is not None for r in responses)
        table = response_table([*responses, nothing]) if has_response else None
        object.__setattr__(self, "_responses", table)
        object.__setattr__(self, "_grid", grid_table(self.calorimeters))

    def __repr__(self) -> str:
        fields = ((n, getattr(self, n), f.default) for n, f in self.__dataclass_fields__.items())
        shown = ", ".join(f"{name}={value!r}" for name, value, usual in fields if value != usual)
        return f"Detector({shown})"

    @cached_property
    def sees_pixels(self) -> bool:
        """Whether its cells are the pixels of :attr:`image` on the plane, within ± 1."""
        if self.axis != "origin" or len(self.calorimeters) != 1:
            return False
        (calorimeter,) = self.calorimeters
        edges = tuple(tuple(np.linspace(-1, 1, n + 1).tolist()) for n in self.image)
        grid = calorimeter.grid
        return set(calorimeter.kinds) == set(KINDS) and (grid.eta, grid.phi) == edges

    @staticmethod
    def presets() -> tuple[str, ...]:
        """Names of the detectors that come with the package."""
        from pyg_jets.detector.presets import PRESETS

        return tuple(PRESETS)

    @staticmethod
    def preset(name: str) -> Detector:
        """A detector that comes with the package.

        Args:
            name: One of :meth:`presets`; `docs/detector.md` has their figures.

        Raises:
            ValueError: For another name; it lists the choices.

        Examples:
            >>> Detector.presets()
            ('toy-uniform', 'toy-rect', 'cms-like', 'jet-rect')
        """
        from pyg_jets.detector.presets import PRESETS

        check_names((name,), PRESETS, "detector preset")
        return PRESETS[name]

    def simulate(
        self,
        jets: JetArray,
        seed: int = 0,
        angles: int | Sequence[float] | np.ndarray | None = None,
        threads: int | None = None,
        epoch: int = 0,
        pileup: Pileup | None = None,
    ) -> JetArray:
        """Simulate rotated variants of each jet, each with its own random numbers.

        Args:
            jets: Jets with the canonical columns.
            seed: Seed of the random numbers.
            angles: ``None`` for one un-rotated variant, V for V equal steps of a turn, a sequence
                ``[V]`` or an array ``[J, V]`` (rad).
            threads: Number of threads at most. Default: torch's.
            epoch: Number of the epoch; another epoch has other random numbers.
            pileup: Pile-up that is laid over the jets before they are rotated and measured; all
                variants of a jet have the same.

        Returns:
            The variants of jet 0, then those of jet 1, …, with the canonical columns, the parents'
            ids, labels and jet columns, and the jet columns ``variant_of`` and ``angle``.

        Raises:
            ValueError: For missing columns or angles that do not fit.

        Examples:
            >>> jets = JetArray([[9.0, 0.1, 0.2, 0.0, 0.0, 22.0]], CANONICAL, [0, 1])
            >>> seen = Detector.preset("cms-like").simulate(jets, seed=1, angles=4)
            >>> len(seen), seen.jets["variant_of"].tolist()
            (4, [0, 0, 0, 0])
        """
        x = torch.from_numpy(np.array(canonical_particles(jets)))
        table = parse_angles(angles, len(jets))
        out, ptr = self.simulate_tensors(
            x,
            torch.tensor(jets.ptr),
            torch.tensor(jets.ids),
            torch.from_numpy(np.array(table)),
            seed=seed,
            epoch=epoch,
            threads=threads,
            pileup=pileup,
        )
        return make_variants(jets, table, out.numpy(), ptr.numpy())

    def simulate_tensors(
        self,
        x: Tensor,
        ptr: Tensor,
        ids: Tensor,
        angles: Tensor,
        seed: int = 0,
        epoch: int = 0,
        threads: int | None = None,
        pileup: Pileup | None = None,
    ) -> tuple[Tensor, Tensor]:
        """As :meth:`simulate`, on tensors: kernels on the CPU, torch operations elsewhere.

        Args:
            x: Canonical columns ``[N, 6]`` float32.
            ptr: Ragged pointer ``[J + 1]`` int64.
            ids: Ids of the jets ``[J]`` int64.
            angles: Angles ``[J, V]`` (rad).
            seed: Seed of the random numbers.
            epoch: Number of the epoch; another epoch has other random numbers.
            threads: Number of threads at most. Default: torch's.
            pileup: Pile-up that is laid over the jets first.

        Returns:
            Particles ``[M, 6]`` and pointer ``[J·V + 1]``.

        Raises:
            ValueError: For tensors that do not fit together.
        """
        if x.dim() != 2 or x.shape[1] != len(CANONICAL) or x.dtype != torch.float32:
            raise InputError(
                f"Expected x [N, 6] float32 with the columns {', '.join(CANONICAL)}, but got "
                f"{list(x.shape)} {x.dtype}."
            )
        n_jets = len(ptr) - 1
        if angles.dim() != 2 or angles.shape[0] != n_jets or ids.shape != (n_jets,):
            raise InputError(
                f"Expected ids [{n_jets}] and angles [{n_jets}, V] for {n_jets} jets, but got "
                f"{list(ids.shape)} and {list(angles.shape)}."
            )
        if pileup is not None:
            if self.axis == "origin":
                raise InputError(
                    "Expected no pileup for jets on a plane, which has no beam: use it with a "
                    "detector of axis='jet'."
                )
            x, ptr = pileup.overlay_tensors(x, ptr, ids, seed, epoch, threads)
        keys = mix(seed, epoch, PARTICLES), mix(seed, epoch, CELLS)
        responses, grid = self._responses, self._grid  # type: ignore[attr-defined]
        arguments = x, ptr, ids, angles.double(), self.axis, responses, grid, keys
        if use_kernels(x):
            return pipeline.simulate(*arguments, threads)
        return reference.simulate(*arguments)
