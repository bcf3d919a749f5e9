"""Four-momenta and pointers as the functions of this room take them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyg_jets import kinematics
from pyg_jets.errors import InputError
from pyg_jets.jets import JetArray
from pyg_jets.jets.checks import as_array

__all__ = ["check_exponent", "check_momenta", "four_momenta"]

#: Squares of momenta above this overflow (GeV).
_LARGEST = 1e150


def four_momenta(jets: JetArray) -> tuple[np.ndarray, np.ndarray]:
    """The momenta and the pointer of jets, as every function of :mod:`pyg_jets.substructure` takes.

    Args:
        jets: Jets with ``pt, eta, phi`` and, unless massless, ``mass``, or with ``px, py, pz, e``
            (GeV, rad).

    Returns:
        ``(px, py, pz, E)`` of every particle, ``[N, 4]`` float64 (GeV), and ``ptr [J + 1]`` int64.

    Raises:
        ValueError: If a column is missing.

    Examples:
        >>> jets = JetArray([[3.0, 0.0, 0.0], [4.0, 0.0, 0.0]], ("pt", "eta", "phi"), [0, 2])
        >>> momenta, ptr = four_momenta(jets)
        >>> momenta.tolist(), ptr.tolist()
        ([[3.0, 0.0, 0.0, 3.0], [4.0, 0.0, 0.0, 4.0]], [0, 2])
    """
    if "pt" not in jets.columns and {"px", "py", "pz", "e"} <= set(jets.columns):
        columns = [jets.column(name).astype(np.float64) for name in ("px", "py", "pz", "e")]
        return np.stack(columns, -1), np.array(jets.ptr)
    pt, eta, phi = (jets.column(name).astype(np.float64) for name in ("pt", "eta", "phi"))
    mass = jets.column("mass").astype(np.float64) if "mass" in jets.columns else np.zeros_like(pt)
    return np.stack(kinematics.to_cartesian(pt, eta, phi, mass), -1), np.array(jets.ptr)


def check_momenta(momenta: Any, ptr: Any) -> tuple[np.ndarray, np.ndarray]:
    """Momenta as contiguous float64 and the pointer as int64, or a refusal in words.

    Args:
        momenta: ``(px, py, pz, E)`` of every particle, ``[N, 4]`` (GeV).
        ptr: The ragged pointer ``[J + 1]``.

    Raises:
        ValueError: For another shape, a pointer that does not fit, or momenta that are not finite.
    """
    momenta = as_array(momenta, np.float64, "momenta [N, 4]")
    if momenta.size == 0:
        momenta = momenta.reshape(0, 4)
    if momenta.ndim != 2 or momenta.shape[1] != 4:
        raise InputError(
            f"Expected momenta [N, 4] = (px, py, pz, E), but got {list(momenta.shape)}: "
            "four_momenta(jets) makes them of a JetArray."
        )
    pointer = np.asarray(ptr)
    if pointer.ndim != 1 or len(pointer) == 0 or pointer.dtype.kind not in "iu":
        raise InputError(
            f"Expected ptr [J + 1] of whole numbers, but got {pointer.dtype} of shape "
            f"{list(pointer.shape)}."
        )
    pointer = np.ascontiguousarray(pointer, np.int64)
    falls = bool((np.diff(pointer) < 0).any())
    if pointer[0] != 0 or pointer[-1] != len(momenta) or falls:
        raise InputError(
            f"Expected ptr to rise from 0 to the number of particles ({len(momenta)}), but it "
            f"goes from {pointer[0]} to {pointer[-1]}{' and falls' * falls}."
        )
    if not (np.abs(momenta) < _LARGEST).all():
        row = int(np.flatnonzero(~(np.abs(momenta) < _LARGEST).all(1))[0])
        jet = int(np.searchsorted(pointer, row, side="right")) - 1
        raise InputError(
            f"Jet {jet}, particle {row - pointer[jet]}, has a momentum that is not finite "
            f"({', '.join(f'{value:g}' for value in momenta[row])}): drop or mend it beforehand."
        )
    # Kernels are compiled once more for arrays that are read-only.
    momenta = momenta if momenta.flags.writeable else momenta.copy()
    return momenta, pointer if pointer.flags.writeable else pointer.copy()


def check_exponent(beta: float) -> float:
    """The exponent β of an angle, or a refusal in words.

    Args:
        beta: The exponent, above 0.

    Raises:
        InputError: For another one.
    """
    if isinstance(beta, bool) or not 0 < beta < np.inf:
        raise InputError(f"Expected beta above 0, the exponent of an angle, but got {beta!r}.")
    return float(beta)
