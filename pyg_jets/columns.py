"""The name, unit, dtype and order of every particle and jet column.

Momenta, energies and masses are in GeV, angles in radians, everywhere in the package.

Examples:
    >>> from pyg_jets import columns
    >>> columns.PARTICLE["pt"].unit
    'GeV'
    >>> columns.CANONICAL
    ('pt', 'eta', 'phi', 'mass', 'charge', 'pdgid')
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyg_jets.errors import InputError, did_you_mean

__all__ = [
    "CANONICAL",
    "GENERATED",
    "JET",
    "KINDS",
    "OBSERVABLES",
    "PARTICLE",
    "STAGES",
    "Column",
    "check_names",
]


@dataclass(frozen=True)
class Column:
    """One column: its name, its unit (empty if it has none), its numpy dtype, and what it means."""

    name: str
    unit: str
    dtype: str
    doc: str


def _table(*rows: tuple[str, str, str, str]) -> dict[str, Column]:
    return {row[0]: Column(*row) for row in rows}


PARTICLE: dict[str, Column] = _table(
    ("pt", "GeV", "float32", "transverse momentum"),
    ("eta", "", "float32", "pseudorapidity"),
    ("rapidity", "", "float32", "rapidity y = artanh(pz / E)"),
    ("phi", "rad", "float32", "azimuth in [-pi, pi)"),
    ("mass", "GeV", "float32", "invariant mass"),
    ("charge", "e", "float32", "electric charge"),
    ("pdgid", "", "float32", "PDG particle id (exact in float32 below 2^24: all but nuclei)"),
    ("px", "GeV", "float32", "momentum along x"),
    ("py", "GeV", "float32", "momentum along y"),
    ("pz", "GeV", "float32", "momentum along the beam"),
    ("e", "GeV", "float32", "energy"),
    ("logpt", "", "float32", "log of the transverse momentum in GeV"),
    ("loge", "", "float32", "log of the energy in GeV"),
    ("ptrel", "", "float32", "pT over that of the jet"),
    ("erel", "", "float32", "energy over that of the jet"),
    ("logptrel", "", "float32", "log of ptrel"),
    ("logerel", "", "float32", "log of erel"),
    ("etarel", "", "float32", "pseudorapidity relative to the jet axis"),
    ("rapidityrel", "", "float32", "rapidity relative to that of the jet"),
    ("phirel", "rad", "float32", "azimuth relative to the jet axis, wrapped to [-pi, pi)"),
    ("deltar", "", "float32", "distance from the jet axis in (eta, phi)"),
    ("ischargedhadron", "", "float32", "1 for a charged hadron, else 0"),
    ("isneutralhadron", "", "float32", "1 for a neutral hadron, else 0"),
    ("isphoton", "", "float32", "1 for a photon, else 0"),
    ("iselectron", "", "float32", "1 for an electron or positron, else 0"),
    ("ismuon", "", "float32", "1 for a muon, else 0"),
    ("d0", "as published", "float32", "transverse impact parameter"),
    ("d0err", "as published", "float32", "its uncertainty"),
    ("dz", "as published", "float32", "longitudinal impact parameter"),
    ("dzerr", "as published", "float32", "its uncertainty"),
    ("puppiweight", "", "float32", "weight by PUPPI, 0 to 1"),
)

#: The columns that a re-simulation needs, in the order in which data sets store them as ``x``.
CANONICAL: tuple[str, ...] = ("pt", "eta", "phi", "mass", "charge", "pdgid")

#: The columns that event generators keep of each particle.
GENERATED: tuple[str, ...] = ("pt", "eta", "rapidity", "phi", "mass", "charge", "pdgid")

#: The kind of a particle, one column each, at most one of them 1.
KINDS: tuple[str, ...] = (
    "ischargedhadron", "isneutralhadron", "isphoton", "iselectron", "ismuon",
)  # fmt: skip

_OBSERVABLES = (
    ("pt", "GeV", "float32", "transverse momentum of the summed constituents"),
    ("eta", "", "float32", "pseudorapidity"),
    ("rapidity", "", "float32", "rapidity"),
    ("phi", "rad", "float32", "azimuth in [-pi, pi)"),
    ("mass", "GeV", "float32", "invariant mass of the summed constituents"),
    ("massless_mass", "GeV", "float32", "the same with every constituent taken as massless"),
    ("softdrop_mass", "GeV", "float32", "mass after soft drop (beta = 0, z_cut = 0.1)"),
    ("tau1", "", "float32", "1-subjettiness, beta = 1, exclusive-kt axes, no R0"),
    ("tau2", "", "float32", "2-subjettiness"),
    ("tau3", "", "float32", "3-subjettiness"),
    ("tau4", "", "float32", "4-subjettiness"),
    ("multiplicity", "", "int64", "number of constituents"),
)

#: The observables of a jet, which exist once per level (``gen_…``, ``reco_…``).
OBSERVABLES: tuple[str, ...] = tuple(row[0] for row in _OBSERVABLES)

JET: dict[str, Column] = _table(
    *((f"gen_{n}", u, t, f"{d}, before the detector") for n, u, t, d in _OBSERVABLES),
    *((f"reco_{n}", u, t, f"{d}, after the detector, un-rotated") for n, u, t, d in _OBSERVABLES),
    ("event", "", "int64", "number of the event: jets of one event never part in a split"),
    ("weight", "", "float32", "how much the jet counts in losses and metrics, not negative"),
    ("matched", "", "int64", "1 if the jet holds the particle and all its decay quarks"),
    ("flavour", "", "int64", "PDG id of the matched particle or parton, 0 if there is none"),
    ("subjet_delta_r", "", "float32", "distance of the two hardest subjets"),
    ("angle", "rad", "float32", "rotation of this variant about the jet axis"),
    ("variant_of", "", "int64", "index of the jet of which this is a variant"),
)


#: The jets of a generator: its input, its target, what it generated from the prior, and what it
#: reconstructed from the latent of the input. Files of generated jets hold the index as ``stage``.
STAGES = ("input", "target", "made", "reconstructed")


def check_names(names: Iterable[str], known: Iterable[str], what: str) -> tuple[str, ...]:
    """Return ``names`` as a tuple, or raise an error that lists the choices.

    Args:
        names: The names that were asked for.
        known: The names that exist.
        what: What they name, for the message.

    Raises:
        InputError: For a name that does not exist, or one that is given twice.
    """
    names, known = tuple(names), tuple(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        meant = "".join(did_you_mean(name, known) for name in unknown)
        raise InputError(
            f"Unknown {what} {', '.join(map(repr, unknown))}: choose from {', '.join(known)}."
            f"{meant}"
        )
    if len(set(names)) < len(names):
        raise InputError(f"Each {what} may be named once, but got {', '.join(names)}.")
    return names
