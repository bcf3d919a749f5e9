"""JetClass: ROOT trees of one entry a jet.

The published lists are ``std::vector``s, which uproot reads but cannot write: here they are arrays
with a counter. Everything else is as published.
"""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import uproot

from pyg_jets import JetArray
from pyg_jets.datasets.jet_class import JetClass
from tests.datasets.layouts.layout import Layout
from tests.datasets.layouts.momenta import axes, cartesian, of_jets

CLASSES = ("QCD", "Hbb", "Hcc", "Hgg", "H4q", "Hqql", "Zqq", "Wqq", "Tbqq", "Tbl")
FILES = (
    "train_100M/HToBB_000.root", "train_100M/ZJetsToNuNu_000.root",
    "val_5M/HToBB_120.root", "test_20M/HToBB_100.root",
)  # fmt: skip


def _particles(jets: JetArray) -> dict[str, np.ndarray]:
    momenta, axis = cartesian(jets), axes(jets)
    pdgid, charge = np.abs(jets.column("pdgid")), jets.column("charge")
    hadron = ~np.isin(pdgid, (11, 13, 22))
    rng = np.random.default_rng(4)
    track = {n: rng.normal(size=len(charge)) * (charge != 0) for n in ("d0val", "dzval")}
    track |= {n: rng.random(len(charge)) * (charge != 0) for n in ("d0err", "dzerr")}
    return {
        "part_px": momenta["px"],
        "part_py": momenta["py"],
        "part_pz": momenta["pz"],
        "part_energy": momenta["e"],
        "part_deta": (jets.column("eta") - axis["eta"]) * np.sign(axis["eta"]),
        "part_dphi": (jets.column("phi") - axis["phi"] + np.pi) % (2 * np.pi) - np.pi,
        **{f"part_{name}": track[name] for name in ("d0val", "d0err", "dzval", "dzerr")},
        "part_charge": charge,
        "part_isChargedHadron": hadron & (charge != 0),
        "part_isNeutralHadron": hadron & (charge == 0),
        "part_isPhoton": pdgid == 22,
        "part_isElectron": pdgid == 11,
        "part_isMuon": pdgid == 13,
    }


def _jets(jets: JetArray) -> dict[str, np.ndarray]:
    sums, n = of_jets(jets), len(jets)
    tau = {f"jet_tau{i}": np.full(n, 1 / i) for i in (1, 2, 3, 4)}
    flat = {
        **{f"label_{c}": (jets.labels % 10 == i) for i, c in enumerate(CLASSES)},
        **{f"jet_{n}": sums[n] for n in ("pt", "eta", "phi")},
        "jet_energy": sums["e"],
        "jet_nparticles": jets.counts,
        "jet_sdmass": 0.8 * sums["mass"],
        **tau,
        **{f"aux_genpart_{name}": np.zeros(n) for name in ("eta", "phi", "pid", "pt")},
        "aux_truth_match": np.zeros(n),
    }
    return {
        name: np.asarray(v, bool if "label" in name else np.float32) for name, v in flat.items()
    }


def tree(jets: JetArray) -> dict:
    flags = {
        f"part_is{k}" for k in ("ChargedHadron", "NeutralHadron", "Photon", "Electron", "Muon")
    }
    lists = {
        name: ak.unflatten(np.asarray(v, np.int32 if name in flags else np.float32), jets.counts)
        for name, v in _particles(jets).items()
    }
    return lists | _jets(jets)


def save(path: Path, arrays: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with uproot.recreate(path) as file:
        types = {n: ak.type(v).content if isinstance(v, ak.Array) else v.dtype
                 for n, v in arrays.items()}  # fmt: skip
        file.mktree("tree", types)
        n = len(arrays["jet_pt"])
        for rows in np.array_split(np.arange(n), 2):  # two baskets
            file["tree"].extend({name: v[rows] for name, v in arrays.items()})


def write(root: Path, jets: JetArray) -> None:
    for name, rows in zip(FILES, np.array_split(np.arange(len(jets)), 4), strict=True):
        save(root / "raw" / name, tree(jets[rows]))


def trees(root: Path):
    for path in sorted((root / "raw").rglob("*.root")):
        with uproot.open(path) as file:
            yield file["tree"].arrays()


def expected(root: Path) -> list[np.ndarray]:
    out = []
    for arrays in trees(root):
        for jet in arrays:
            px, py, pz, e = (
                np.asarray(jet[f"part_{n}"], float) for n in ("px", "py", "pz", "energy")
            )
            pt = np.hypot(px, py)
            mass = np.sqrt(np.maximum(e**2 - px**2 - py**2 - pz**2, 0))
            out.append(np.stack([pt, np.arcsinh(pz / pt), np.arctan2(py, px), mass], -1))
    return out


def labels(root: Path) -> np.ndarray:
    return np.concatenate(
        [
            np.stack([np.asarray(a[f"label_{c}"]) for c in CLASSES], -1).argmax(-1)
            for a in trees(root)
        ]
    )


def change(root: Path, edit, name: str = FILES[0]) -> None:
    """Write a file again after ``edit`` changed its arrays."""
    path = root / "raw" / name
    with uproot.open(path) as file:
        read = file["tree"].arrays()
    names = [n for n in read.fields if not n.startswith("npart_")]
    arrays = {n: ak.values_astype(read[n], np.float32) if read[n].ndim == 2 else read[n].to_numpy()
              for n in names}  # fmt: skip
    edit(arrays)
    save(path, arrays)


def put(branch: str, value: float):
    """Change the first particle of jet 1."""

    def edit(arrays):
        counts = ak.num(arrays[branch])
        flat = ak.flatten(arrays[branch]).to_numpy().copy()
        flat[counts[0]] = value
        arrays[branch] = ak.unflatten(flat, counts)

    return lambda root: change(root, edit)


def put_jet(branch: str, value: float):
    def edit(arrays):
        arrays[branch] = arrays[branch].copy()
        arrays[branch][1] = value

    return lambda root: change(root, edit)


def _text(arrays):
    arrays["part_px"] = ak.Array(["hot"] * len(arrays["jet_pt"]))


LAYOUT = Layout(
    JetClass,
    write,
    expected,
    labels,
    wrong={
        "columns": (lambda root: change(root, lambda a: a.pop("part_px")), "part_px"),
        "dtype": (lambda root: change(root, _text), "'part_px' holds string"),
        "nan": (put("part_px", np.nan), "HToBB_000.root: jet 1 has a NaN"),
        "negative": (put("part_energy", -3.0), "HToBB_000.root: jet 1 has .* negative"),
        "count": (
            put_jet("jet_nparticles", 3),
            "jet 1 has .* particles, but jet_nparticles says 3",
        ),
        "label": (put_jet("label_Hcc", True), "jet 1 has the labels .*label_Hcc = 1"),
        "second": (
            lambda root: change(root, lambda a: a.pop("jet_tau2"), FILES[1]),
            "ZJetsToNuNu_000.root.*jet_tau2",
        ),
    },
)
