"""`from_particles`: jets of events that others have simulated or recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_jets import kinematics
from pyg_jets.columns import GENERATED, check_names
from pyg_jets.errors import InputError
from pyg_jets.events.clustering import ClusteringOptions, cluster_events
from pyg_jets.jets import JetArray
from pyg_jets.substructure import Groomed, soft_drop, substructure, trim

if TYPE_CHECKING:
    import awkward

__all__ = ["JETS_PER_EVENT", "MOMENTA", "find_jets", "from_particles"]

#: The id of a jet is that of its event times this, plus its place in the event.
JETS_PER_EVENT = 256
#: Columns that fix the momentum of a particle; without ``mass`` or ``e`` it is massless.
MOMENTA = (("px", "py", "pz", "e"), ("pt", "eta", "phi", "mass"), ("pt", "eta", "phi", "e"),
           ("pt", "eta", "phi"))  # fmt: skip
_KINEMATIC = {*GENERATED[:5], "px", "py", "pz", "e"}
#: Other common names of particle columns, in lower case.
_SYNONYMS = {"energy": "e", "m": "mass", "pdg_id": "pdgid", "pid": "pdgid", "q": "charge"}


def from_particles(
    events: JetArray | awkward.Array,
    options: ClusteringOptions = ClusteringOptions(),
    level: str | None = "gen",
) -> JetArray:
    """Cluster the particles of events to jets, with the columns of Pythia's jets.

    Args:
        events: The particles of each event, with ``px, py, pz, E`` or ``pt, eta, phi`` and
            ``mass`` (GeV, rad; massless without it), ``charge`` and ``pdgid`` where they are
            known: an awkward array of lists of records, or of records with one such list, whose
            other fields belong to the event; or a `JetArray` of one entry an event. The label,
            ``event`` and other columns of an event go to each of its jets.
        options: Algorithm, radius, and which jets are kept.
        level: ``"gen"`` or ``"reco"``: whether the particles are those before or after a detector.
            The observables are called so, ``gen_pt, …``; ``None`` for no prefix.

    Returns:
        The jets in the order of the events, the hardest first in each, and so are their
        constituents. Particle columns are ``pt, eta, rapidity, phi, mass`` and what there is
        besides; jet columns are all of :data:`pyg_jets.columns.OBSERVABLES` at the level, those of
        the event, and ``event``, the number of the event where it has no column of that name.

    Raises:
        ValueError: If momenta are missing or not finite, or an event has more than 256 jets.
        ModuleNotFoundError: If fastjet is not installed.

    Examples:
        >>> import awkward as ak
        >>> particles = ak.Array({"pt": [[90.0, 60.0, 40.0], []], "eta": [[0.1, 0.2, 1.9], []],
        ...                       "phi": [[0.0, 0.1, 3.0], []]})
        >>> events = ak.zip({name: particles[name] for name in ("pt", "eta", "phi")})
        >>> jets = from_particles(events, ClusteringOptions(radius=0.4, pt=(30, float("inf"))))
        >>> jets.counts.tolist(), jets.jets["gen_pt"].round().tolist(), jets.jets["event"].tolist()
        ([2, 1], [150.0, 40.0], [0, 0])
    """
    if level is not None:
        check_names((level,), ("gen", "reco"), "level")
    if not isinstance(events, JetArray):
        events = _from_awkward(events)
    jets = find_jets(events, options)
    prefix = f"{level}_" if level else ""
    named = {k if k in events.jets or k == "event" else prefix + k: v for k, v in jets.jets.items()}
    return JetArray(jets.particles, jets.columns, jets.ptr, jets.labels, named, jets.ids)


def find_jets(events: JetArray, options: ClusteringOptions) -> JetArray:
    """The jets of events; the observables have no prefix.

    Args:
        events: A `JetArray` of one entry an event, see :func:`from_particles`.
        options: Algorithm, radius, and which jets are kept.
    """
    particles, momenta = _with_momenta(events)
    found = cluster_events(momenta, particles.ptr, options.radius, options.algorithm, options.pt[0])
    constituents = JetArray(particles.particles[found.members], particles.columns, found.ptr)
    summed = found.momenta
    if (grooming := options.grooming_parameters()) is not None:
        groomed = _groom(momenta[found.members], found.ptr, *grooming)
        constituents, summed = groomed.select(constituents), groomed.momentum
    pt, eta, _, _ = kinematics.to_cylindrical(*summed.T)
    low, high = options.pt
    kept = np.flatnonzero((pt >= low) & (pt < high) & (np.abs(eta) < options.eta_max))
    kept = kept[np.lexsort((-pt[kept], found.event[kept]))]
    rank = _ranks(found.event[kept])
    if options.max_jets is not None:
        kept, rank = kept[rank < options.max_jets], rank[rank < options.max_jets]
    event = found.event[kept]
    if rank.max(initial=0) >= JETS_PER_EVENT:
        worst = int(events.ids[event[rank.argmax()]])
        raise InputError(
            f"Event {worst} has {int(rank.max()) + 1} jets, expected at most {JETS_PER_EVENT}: "
            "raise the lowest pT, or give max_jets."
        )
    jets = constituents[kept]
    order = np.lexsort((-jets.column("pt"), np.repeat(np.arange(len(jets)), jets.counts)))
    jets = JetArray(
        jets.particles[order],
        jets.columns,
        jets.ptr,
        None if events.labels is None else events.labels[event],
        ids=events.ids[event] * JETS_PER_EVENT + rank,
    )
    of_event = {"event": events.ids, **events.jets}
    return jets.with_jets(
        **substructure(jets, options.radius), **{n: v[event] for n, v in of_event.items()}
    )


def _groom(momenta: np.ndarray, ptr: np.ndarray, name: str, parameters: Any) -> Groomed:
    if name == "softdrop":
        z, beta, radius = (parameters[key] for key in ("z", "beta", "r"))
        return soft_drop(momenta, ptr, z, beta, radius)
    return trim(momenta, ptr, parameters["r"], parameters["f"])


def _ranks(event: np.ndarray) -> np.ndarray:
    """The place of each jet in its event, ``[J]``; events are sorted."""
    return np.arange(len(event)) - np.searchsorted(event, event)


def _with_momenta(events: JetArray) -> tuple[JetArray, np.ndarray]:
    """Particles with the columns of jets' constituents, and their (px, py, pz, E) in float64.

    Particles without transverse momentum, which belong to no jet, are left out.
    """
    names = next((names for names in MOMENTA if set(names) <= set(events.columns)), None)
    if names is None:
        raise InputError(
            f"The particles have the columns {', '.join(events.columns)}, expected px, py, pz, E "
            "or pt, eta, phi (and mass): name their momenta so."
        )
    columns = {name: events.column(name).astype(np.float64) for name in names}
    if "px" in columns:
        columns["pt"] = np.hypot(columns["px"], columns["py"])
    if not (real := columns["pt"] > 0).all():
        counts = np.concatenate(([0], np.cumsum(real)))[events.ptr]
        events = JetArray(events.particles[real], events.columns, counts, events.labels,
                          events.jets, events.ids)  # fmt: skip
        columns = {name: column[real] for name, column in columns.items()}
    if "px" in columns:
        momenta = np.stack([columns[name] for name in ("px", "py", "pz", "e")], -1)
        cylindrical = kinematics.to_cylindrical(*momenta.T)
    else:
        pt, eta, phi = (columns[name] for name in ("pt", "eta", "phi"))
        mass = columns.get("mass", np.zeros_like(pt))
        if "e" in columns:
            p = kinematics.to_cartesian(pt, eta, phi, mass)[:3]
            mass = kinematics.to_cylindrical(*p, columns["e"])[3]
        cylindrical = pt, eta, kinematics.delta_phi(phi, np.zeros_like(phi)), mass
        momenta = np.stack(kinematics.to_cartesian(pt, eta, phi, mass), -1)
    pt, eta, phi, mass = cylindrical
    given = dict(zip(("pt", "eta", "phi", "mass"), cylindrical, strict=True))
    given["rapidity"] = kinematics.rapidity(pt, eta, mass)
    given |= {n: events.column(n) for n in events.columns if n not in _KINEMATIC}
    order = [n for n in GENERATED if n in given] + [n for n in given if n not in GENERATED]
    table = np.stack([given[name] for name in order], -1).astype(np.float32)
    return JetArray(table, tuple(order), events.ptr), momenta


def _from_awkward(array: Any) -> JetArray:
    """Events as a `JetArray`: lists of records, or records with one list of records."""
    import awkward as ak

    if not isinstance(array, ak.Array):
        raise InputError(
            f"Expected events as an awkward array or a JetArray, but got {type(array).__name__}: "
            "make one with ak.zip({'pt': …, 'eta': …, 'phi': …}) of jagged arrays."
        )
    if array.ndim == 2 and array.fields:
        array = ak.zip({"particles": array}, depth_limit=1)
    lists = [n for n in ak.fields(array) if array[n].ndim == 2 and array[n].fields]
    if len(lists) != 1:
        raise InputError(
            f"Expected events as lists of particles (px, py, pz, E or pt, eta, phi), but got "
            f"{array.type}: make them with ak.zip({{'pt': …, 'eta': …, 'phi': …}}) of jagged "
            "arrays."
        )
    particles = array[lists[0]]
    names = [_SYNONYMS.get(name.lower(), name.lower()) for name in particles.fields]
    renamed = ak.zip({n: particles[f] for n, f in zip(names, particles.fields, strict=True)})
    rest = {n: array[n] for n in array.fields if n not in lists}
    return JetArray.from_awkward(ak.zip({"constituents": renamed, **rest}, depth_limit=1))
