"""Aspen Open Jets: float32 in gzip, events as int64, impact parameters that may be NaN."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from pyg_jets import JetArray
from pyg_jets.datasets.aspen_open_jets import AspenOpenJets
from tests.datasets.layouts.jet_net import change, hardest_first, put
from tests.datasets.layouts.layout import Layout, padded
from tests.datasets.layouts.momenta import cartesian, of_jets

FILES = {"RunG_batch0.h5": slice(0, 21), "RunH_batch3.h5": slice(21, None)}
FIRST, SECOND = FILES


def candidates(jets: JetArray) -> dict[str, np.ndarray]:
    charge, n = jets.column("charge"), len(jets.particles)
    spread = np.linspace(-0.1, 0.1, n)
    without_track = np.where(charge == 0, np.nan, 0.01)
    return cartesian(jets) | {
        "d0": spread,
        "d0Err": without_track,
        "dz": 2 * spread,
        "dzErr": without_track,
        "charge": charge,
        "pdgId": jets.column("pdgid"),
        "puppiWeight": np.linspace(0, 1, n),
    }


def events_of(first: int, n: int) -> np.ndarray:
    """Run, luminosity block and event: two jets an event, whose number is above 2^32."""
    numbers = (first + np.arange(n)) // 2
    return np.stack([278820 + 0 * numbers, 1 + numbers % 3, 5_000_000_000 + numbers], -1)


def write(root: Path, jets: JetArray) -> None:
    (root / "raw").mkdir(parents=True, exist_ok=True)
    jets = hardest_first(jets)
    for name, rows in FILES.items():
        part = jets[rows]
        axis = of_jets(part)
        tagging = np.full((len(part), 13), 0.5, np.float32)
        tagging[:, 0] = part.counts
        tagging[:, 1:5] = [0.4, 0.3, 0.2, 0.1]
        arrays = {
            "event_info": events_of(rows.start, len(part)).astype(np.int64),
            "jet_kinematics": np.stack(
                [axis["pt"], axis["eta"], axis["phi"], 0.9 * axis["mass"]], -1
            ).astype(np.float32),
            "jet_tagging": tagging,
            "PFCands": padded(part, candidates(part), 150, np.float32),
        }
        with h5py.File(root / "raw" / name, "w") as file:
            for key, value in arrays.items():
                packed = None if key == "event_info" else "gzip"
                growing = (None, *value.shape[1:])
                file.create_dataset(
                    key, data=value, chunks=True, maxshape=growing, compression=packed
                )


def expected(root: Path) -> list[np.ndarray]:
    out = []
    for name in FILES:
        with h5py.File(root / "raw" / name) as file:
            jets = file["PFCands"][:].astype(float)
        for jet in jets:
            px, py, pz, e = jet[jet[:, 3] > 0][:, :4].T
            pt = np.hypot(px, py)
            mass = np.sqrt(np.maximum(e**2 - px**2 - py**2 - pz**2, 0))
            out.append(np.stack([pt, np.arcsinh(pz / pt), np.arctan2(py, px), mass], -1))
    return out


LAYOUT = Layout(
    AspenOpenJets,
    write,
    expected,
    wrong={
        "columns": (
            change(FIRST, "PFCands", lambda a: a[..., :10]),
            rf"{FIRST}: dataset 'PFCands' has shape .* 10\), expected \(any, any, 11\)",
        ),
        "dtype": (
            change(FIRST, "PFCands", lambda a: a.astype("S8")),
            f"{FIRST}: dataset 'PFCands' has dtype .*S8, expected floating-point",
        ),
        "nan": (change(FIRST, "PFCands", put((1, 0, 0), np.nan)), f"{FIRST}: jet 1 has a NaN"),
        "negative": (
            change(FIRST, "PFCands", put((1, 0, 3), -3.0)),
            f"{FIRST}: jet 1 has .* negative",
        ),
        "count": (
            change(FIRST, "jet_kinematics", lambda a: np.concatenate([a, a[:2]])),
            rf"{FIRST} has different numbers of rows \('PFCands' 21, 'jet_kinematics' 23",
        ),
        "second": (
            change(SECOND, "event_info", lambda a: None),
            f"{SECOND} has no dataset 'event_info', it holds PFCands, jet_kinematics",
        ),
    },
    exempt={"label": "real jets have no labels"},
)
