"""The response of a detector to particles, one by one."""

from __future__ import annotations

from collections.abc import Mapping

from pyg_jets.columns import check_names
from pyg_jets.detector.detector import Detector
from pyg_jets.detector.response import KINDS, Response
from pyg_jets.detector.rotate import without_variants
from pyg_jets.jets import JetArray

__all__ = ["smear"]


def smear(
    jets: JetArray,
    response: Response | Mapping[str, Response],
    seed: int = 0,
    epoch: int = 0,
    threads: int | None = None,
) -> JetArray:
    r"""Measure each particle with a finite resolution, efficiency and threshold.

    .. math:: s' = s\, e^{b z_0 - b^2/2}, \quad b^2 = \log(1 + (\sigma/s)^2), \quad
        \eta' = \eta + \sigma_\eta z_1, \quad \varphi' = \varphi + \sigma_\varphi z_2

    with s the pT or the energy and z standard normals. The factor is log-normal with mean 1, so
    nothing turns negative. Neutrinos are dropped.

    Args:
        jets: Jets with the canonical columns.
        response: A :class:`~pyg_jets.detector.Response` for all particles, or one by kind
            (``charged_hadron, electron, muon, photon, neutral_hadron``); other kinds stay as
            they are.
        seed: Seed of the random numbers.
        epoch: Another epoch is another response.
        threads: Number of threads at most. Default: torch's.

    Returns:
        The same jets with the particles that were seen; a jet may have become empty.

    Raises:
        ValueError: For missing columns or an unknown kind.

    Examples:
        >>> from pyg_jets.columns import CANONICAL
        >>> jets = JetArray([[9.0, 0.1, 0.2, 0.0, 0.0, 22.0]] * 3, CANONICAL, [0, 1, 3])
        >>> seen = smear(jets, {"photon": Response("energy", constant=0.1)}, seed=1)
        >>> seen
        JetArray(2 jets, 3 particles, columns=(pt, eta, phi, mass, charge, pdgid))
        >>> bool((seen.column("pt") != 9.0).all())
        True
    """
    by_kind = dict.fromkeys(KINDS, response) if isinstance(response, Response) else dict(response)
    check_names(by_kind, KINDS, "kind of particle")
    detector = Detector(**by_kind)  # type: ignore[arg-type]
    return without_variants(detector.simulate(jets, seed, None, threads, epoch), jets)
