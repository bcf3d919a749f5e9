"""The hls4ml LHC jets, as unpacked: float64, more names than columns, images beside them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import vector

from pyg_jets import JetArray
from pyg_jets.datasets.lhc_jets import LHCJets
from tests.datasets.layouts.jet_net import change, hardest_first, put
from tests.datasets.layouts.layout import Layout, padded
from tests.datasets.layouts.momenta import axes, cartesian, of_jets

LENGTH = 30
FILES = {
    "train/jetImage_0_{}p_0_10000.h5": slice(0, 16),
    "train/jetImage_0_{}p_10000_20000.h5": slice(16, 30),
    "val/jetImage_7_{}p_0_10000.h5": slice(30, None),
}
FIRST, SECOND, _ = (name.format(LENGTH) for name in FILES)
PARTICLES = (
    "j1_px", "j1_py", "j1_pz", "j1_e", "j1_erel", "j1_pt", "j1_ptrel", "j1_eta", "j1_etarel",
    "j1_etarot", "j1_phi", "j1_phirel", "j1_phirot", "j1_deltaR", "j1_costheta", "j1_costhetarel",
    "j1_pdgid",
)  # fmt: skip
_SHAPES = ("tau1_b1", "tau2_b1", "tau3_b1", "tau1_b2", "tau2_b2", "tau3_b2", "tau32_b1", "tau32_b2")
_CORRELATIONS = ("c1_b0", "c1_b1", "c1_b2", "c2_b1", "c2_b2", "d2_b1", "d2_b2", "d2_a1_b1",
                 "d2_a1_b2", "m2_b1", "m2_b2", "n2_b1", "n2_b2")  # fmt: skip
JETS = (
    *("j_ptfrac", "j_pt", "j_eta", "j_mass"),
    *(f"j_{name}" for name in (*_SHAPES, "zlogz", *_CORRELATIONS)),
    *(f"j_{name}_mmdt" for name in (*_SHAPES, *_CORRELATIONS)),
    *("j_mass_trim", "j_mass_mmdt", "j_mass_prun", "j_mass_sdb2", "j_mass_sdm1", "j_multiplicity"),
    *("j_g", "j_q", "j_w", "j_z", "j_t", "j_undef"),
)
FLAG = JETS.index("j_g")


def particles(jets: JetArray) -> dict[str, np.ndarray]:
    axis, p = axes(jets), cartesian(jets)
    eta, phi = jets.column("eta").astype(float), jets.column("phi").astype(float)
    found = {f"j1_{name}": value for name, value in p.items()}
    found |= {"j1_erel": p["e"] / axis["e"], "j1_pt": np.hypot(p["px"], p["py"])}
    found |= {"j1_ptrel": found["j1_pt"] / axis["pt"], "j1_eta": eta, "j1_phi": phi}
    found |= {"j1_etarel": eta - axis["eta"], "j1_phirel": phi - axis["phi"]}
    rest = {name: np.full(len(eta), 0.5) for name in PARTICLES if name not in found}
    return {name: (found | rest)[name] for name in PARTICLES[:16]}


def whole(jets: JetArray) -> np.ndarray:
    table = np.full((len(jets), len(JETS)), 0.25)
    for name in ("pt", "eta", "mass"):
        table[:, JETS.index(f"j_{name}")] = of_jets(jets)[name]
    table[:, FLAG:] = np.eye(6)[jets.labels % 5]
    return table


def write_file(path: Path, jets: JetArray, length: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = {"compression": "lzf"}
    with h5py.File(path, "w") as file:
        for name in ("jetImage", "jetImageECAL", "jetImageHCAL"):
            file.create_dataset(name, data=np.zeros((len(jets), 100, 100)), **packed)
        rounded = padded(jets, particles(jets), length, np.float32).astype(float)
        file.create_dataset("jetConstituentList", data=rounded, **packed)
        file.create_dataset("jets", data=whole(jets).astype(np.float32).astype(float), **packed)
        file["particleFeatureNames"] = np.array(PARTICLES, "S")
        file["jetFeatureNames"] = np.array(JETS, "S")


def write(root: Path, jets: JetArray, length: int = LENGTH) -> None:
    jets = hardest_first(jets)
    for name, part in FILES.items():
        write_file(root / "raw" / name.format(length), jets[part], length)


def expected(root: Path) -> list[np.ndarray]:
    out = []
    for name in FILES:
        with h5py.File(root / "raw" / name.format(LENGTH)) as file:
            jets = file["jetConstituentList"][:]
        for jet in jets:
            px, py, pz, e = jet[jet[:, 5] > 0][:, :4].T
            p = vector.array({"px": px, "py": py, "pz": pz, "E": e})
            mass = np.sqrt(np.maximum(e**2 - px**2 - py**2 - pz**2, 0))
            out.append(np.stack([p.pt, p.eta, p.phi, mass], -1))
    return out


def labels(root: Path) -> np.ndarray:
    found = []
    for name in FILES:
        with h5py.File(root / "raw" / name.format(LENGTH)) as file:
            found.append(file["jets"][:, -6:-1].argmax(1))
    return np.concatenate(found)


LAYOUT = Layout(
    LHCJets,
    write,
    expected,
    labels,
    wrong={
        "columns": (
            change(FIRST, "particleFeatureNames", lambda names: names[3:]),
            f"{FIRST}: particleFeatureNames has no j1_px, j1_py, j1_pz",
        ),
        "dtype": (
            change(FIRST, "jetConstituentList", lambda a: a.astype("S8")),
            f"{FIRST}: dataset 'jetConstituentList' has dtype .*S8, expected floating-point",
        ),
        "nan": (
            change(FIRST, "jetConstituentList", put((1, 0, 0), np.nan)),
            f"{FIRST}: jet 1 has a NaN",
        ),
        "negative": (
            change(FIRST, "jetConstituentList", put((1, 0, 3), -3.0)),
            f"{FIRST}: jet 1 has .* negative",
        ),
        "count": (
            change(FIRST, "jets", lambda a: np.concatenate([a, a[:3]])),
            rf"{FIRST} has different numbers of rows \('particles' 16, 'jets' 19\)",
        ),
        "label": (
            change(FIRST, "jets", put((1, slice(FLAG, FLAG + 2)), 1.0)),
            f"{FIRST}: the class flags of jet 1 are j_g = 1, j_q = 1.* a single 1",
        ),
        "second": (
            change(SECOND, "jetFeatureNames", lambda names: names[:53]),
            f"{SECOND}: jetFeatureNames has no j_g, j_q, j_w, j_z, j_t",
        ),
    },
)
