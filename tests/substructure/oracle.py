"""FastJet, one jet at a time, and jets that are hard to cluster."""

import numpy as np

from tests.conftest import cartesian, random_jets

NO_BEAM = 1000.0  # the largest radius that FastJet takes


def pseudojets(momenta):
    import fastjet._swig as fastjet

    return [fastjet.PseudoJet(*map(float, p)) for p in momenta]


def sequence(momenta, algorithm, radius=None, scheme="E", strategy="Best"):
    """FastJet's clustering of one jet."""
    import fastjet._swig as fastjet

    fastjet.ClusterSequence.set_fastjet_banner_stream(None)
    plan = getattr(fastjet, strategy)
    merge = fastjet.WTA_pt_scheme if scheme == "wta" else fastjet.E_scheme
    if isinstance(algorithm, str):
        algorithm = getattr(fastjet, {"ca": "cambridge"}.get(algorithm, algorithm) + "_algorithm")
        definition = fastjet.JetDefinition(algorithm, radius or NO_BEAM, plan, merge)
    else:
        exponent = float(algorithm)
        definition = fastjet.JetDefinition(
            fastjet.genkt_algorithm, radius or NO_BEAM, exponent, merge, plan
        )
    particles = pseudojets(momenta)
    for i, particle in enumerate(particles):
        particle.set_user_index(i)
    result = fastjet.ClusterSequence(fastjet.vectorPJ(particles), definition)
    result.particles = particles  # as long as the sequence
    return result


def four(jet):
    return [jet.px(), jet.py(), jet.pz(), jet.E()]


def by_pt(jets):
    """FastJet's jets by falling pT: their momenta, and the particles of each."""
    jets = sorted(jets, key=lambda jet: -jet.pt2())
    momenta = np.array([four(jet) for jet in jets]).reshape(-1, 4)
    return momenta, [sorted(c.user_index() for c in jet.constituents()) for jet in jets]


def massive(rng, n, low=-3.0, high=3.0, spread=0.3):
    """Particles of 10^low … 10^high GeV with masses, at one place of the detector."""
    pt = 10 ** rng.uniform(low, high, n)
    y = rng.uniform(-2, 2) + spread * rng.standard_normal(n)
    phi = rng.uniform(-np.pi, np.pi) + spread * rng.standard_normal(n)
    mass = rng.choice([0.0, 0.14, 0.94, 5.0], n)
    transverse = np.hypot(pt, mass)
    columns = [pt * np.cos(phi), pt * np.sin(phi), transverse * np.sinh(y), transverse * np.cosh(y)]
    return np.stack(columns, -1)


def hard_jets(chunks, per_process=6):
    """Momenta and pointer: Pythia's jets, and those with a wide range, ghosts, ties, duplicates."""
    rng = np.random.default_rng(5)
    real = [
        cartesian(jets)[jets.ptr[j] : jets.ptr[j + 1]]
        for jets in (chunks[name][0] for name in ("qcd", "w", "top"))
        for j in range(per_process)
    ]
    small = random_jets(counts=np.array([0, 1, 2, 3, 4, 5, 60]))
    small = np.split(cartesian(small), small.ptr[1:-1])
    wide = massive(rng, 80, -3, 3, 0.3)
    event = massive(rng, 250, -1, 2.5, 2.5)  # all around the detector
    ghosts = np.concatenate((massive(rng, 15), massive(rng, 60, -100.5, -99.5)))
    twice = np.repeat(massive(rng, 6), 2, axis=0)
    float32 = massive(rng, 50).astype(np.float32).astype(float)  # some with E < |p|
    return ragged([*real, *small, wide, event, ghosts, twice, float32])


def ragged(parts):
    """Momenta and pointer of a list of jets."""
    ptr = np.concatenate(([0], np.cumsum([len(part) for part in parts])))
    return np.concatenate([np.reshape(part, (-1, 4)) for part in parts]), ptr


def each(momenta, ptr):
    """The number and the momenta of every jet that is not empty."""
    for jet in range(len(ptr) - 1):
        if ptr[jet] < ptr[jet + 1]:
            yield jet, momenta[ptr[jet] : ptr[jet + 1]]
