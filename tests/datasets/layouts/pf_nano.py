"""CMS PFNano: a tree of events, with tables of jets, candidates, and which is in which.

The generator's jets are the given ones; the reconstructed are as these, a little softer, without
the last particle, and with those of pile-up in the same table. Links lie in no order, and some lead
nowhere. Names of the tables are those of the version, ``VERSIONS``.
"""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import uproot

from pyg_jets import JetArray
from pyg_jets.datasets.pf_nano import PFNano
from tests.datasets.layouts.layout import Layout
from tests.datasets.layouts.momenta import of_jets

#: jets, candidates, links, index; then the same of the generator, and the match.
VERSIONS = {
    "PFNano": ("FatJet", "PFCands", "FatJetPFCands", "pFCandsIdx",
               "GenJetAK8", "GenCands", "GenFatJetCands", "pFCandsIdx", "genJetAK8Idx"),
    "PFNano AK4": ("Jet", "PFCands", "JetPFCands", "pFCandsIdx",
                   "GenJet", "GenCands", "GenJetCands", "pFCandsIdx", "genJetIdx"),
    "b tagging": ("FatJet", "PFCands", "FatJetPFCands", "pfCandsIdx",
                  "GenJetAK8", "GenCands", "GenFatJetCands", "genCandsIdx", "genJetAK8Idx"),
    "jets": ("FatJet", "PFCand", "FatJetPFCand", "PFCandIdx",
             "GenJetAK8", "GenPartCand", "GenJetAK8GenPartCand", "GenPartCandIdx", "genJetAK8Idx"),
    "10.6": ("FatJet", "JetPFCands", "JetPFCandsAK8", "candIdx",
             "GenJetAK8", "GenJetCands", "GenJetCandsAK8", "candIdx", "genJetAK8Idx"),
}  # fmt: skip
FILES = ("nano_1.root", "nano_2.root")
_INTEGER = {"charge": np.int32, "pdgId": np.int32}


def _grouped(values: dict[str, np.ndarray], counts: np.ndarray) -> ak.Array:
    return ak.zip({n: ak.unflatten(np.asarray(v), counts) for n, v in values.items()})


def _jet_table(jets: JetArray, of_event: np.ndarray, **more: np.ndarray) -> ak.Array:
    sums = of_jets(jets)
    values = {n: sums[n].astype(np.float32) for n in ("pt", "eta", "phi", "mass")}
    return _grouped({**values, **more}, of_event)


def _of_event(values: np.ndarray, n_jets: np.ndarray) -> np.ndarray:
    """Sums over the jets of each event."""
    ends = np.concatenate(([0], np.cumsum(n_jets)))
    return np.diff(np.concatenate(([0], np.cumsum(values)))[ends])


def _particles(jets: JetArray, n_jets: np.ndarray, rng, extra: int):
    """The table of particles in some order, ``extra`` in each event of no jet, and the links."""
    particles, links = [], []
    first = 0
    for n in n_jets:
        part = jets[np.arange(first, first + n)]
        first += n
        owner = np.repeat(np.arange(n), part.counts)
        rows = np.concatenate((part.particles, rng.random((extra, part.particles.shape[1]))))
        order = rng.permutation(len(rows))
        place = np.argsort(order)[: len(owner)]
        particles.append(rows[order])
        pairs = np.concatenate((np.stack((owner, place), -1), [[-1, 0], [0, -1], [n, 0]]))
        links.append(pairs[rng.permutation(len(pairs))])
    flat = np.concatenate(particles)
    values = {
        n: flat[:, jets.columns.index(n.lower())]
        for n in ("pt", "eta", "phi", "mass", "charge", "pdgId")
    }
    table = {n: v.astype(_INTEGER.get(n, np.float32)) for n, v in values.items()}
    return table, np.array([len(p) for p in particles]), links


def reconstructed(jets: JetArray) -> JetArray:
    keep = np.ones(len(jets.particles), bool)
    keep[jets.ptr[1:][jets.counts > 0] - 1] = False
    particles = jets.particles[keep] * np.where(np.array(jets.columns) == "pt", 0.9, 1)
    counts = np.maximum(jets.counts - 1, 0)
    return JetArray(particles, jets.columns, np.concatenate(([0], np.cumsum(counts))))


def events(jets: JetArray, version: str = "PFNano", gen: bool = True, seed: int = 5) -> dict:
    """The tables of events of 0, 1, 2, 3, 0, … jets."""
    (fat, cands, link, index, gen_fat, gen_cands, gen_link, gen_index, match) = VERSIONS[version]
    rng, n_jets = np.random.default_rng(seed), []
    while sum(n_jets) < len(jets):
        n_jets.append(min(len(n_jets) % 4, len(jets) - sum(n_jets)))
    n_jets = np.array([*n_jets, 0])
    reco = reconstructed(jets)
    local = np.concatenate([np.arange(n) for n in n_jets])
    matched = np.where(np.arange(len(jets)) % 5 == 3, -1, local).astype(np.int16)
    number = np.arange(len(n_jets), dtype=np.uint64) + 4_000_000_000
    out = {
        "run": np.full(len(n_jets), 1, np.uint32),
        "luminosityBlock": np.arange(len(n_jets), dtype=np.uint32) // 3,
        "event": number,
        "HLT_PFJet500": np.ones(len(n_jets), bool),
    }
    table, counts, links = _particles(reco, n_jets, rng, extra=7)
    table["puppiWeight"] = rng.random(len(table["pt"])).astype(np.float32)
    table["d0"] = table["dz"] = np.where(table["charge"] == 0, -1, 0.01).astype(np.float32)
    out[cands] = _grouped(table, counts)
    pairs, n_links = np.concatenate(links).astype(np.int32), [len(part) for part in links]
    out[link] = _grouped({"jetIdx": pairs[:, 0], index: pairs[:, 1]}, n_links)
    more = {match: matched} if gen else {}
    if fat == "FatJet":
        more |= {"msoftdrop": np.full(len(jets), 80, np.float32)}
        more |= {f"tau{i}": np.full(len(jets), 1 / i, np.float32) for i in (1, 2, 3, 4)}
    out[fat] = _jet_table(reco, n_jets, **more)
    if gen:
        table, counts, links = _particles(jets, n_jets, rng, extra=2)
        out[gen_cands] = _grouped(table, counts)
        pairs, n_links = np.concatenate(links).astype(np.int32), [len(part) for part in links]
        out[gen_link] = _grouped({"jetIdx": pairs[:, 0], gen_index: pairs[:, 1]}, n_links)
        out[gen_fat] = _jet_table(jets, n_jets)
    return out


def save(path: Path, arrays: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with uproot.recreate(path, compression=uproot.LZMA(1)) as file:
        types = {n: ak.type(v).content if isinstance(v, ak.Array) else v.dtype
                 for n, v in arrays.items()}  # fmt: skip
        file.mktree("Events", types)
        for rows in np.array_split(np.arange(len(next(iter(arrays.values())))), 2):
            file["Events"].extend({name: v[rows] for name, v in arrays.items()})


def write(root: Path, jets: JetArray) -> None:
    for name, rows in zip(FILES, np.array_split(np.arange(len(jets)), 2), strict=True):
        save(root / "raw" / name, events(jets[rows]))


def by_hand(path: Path, level: str = "reco", version: str = "PFNano"):
    """For each event, for each jet, the rows of its particles, by loops over a dictionary."""
    names = VERSIONS[version][:4] if level == "reco" else VERSIONS[version][4:8]
    jets, cands, link, index = names
    with uproot.open(path) as file:
        tree = file["Events"].arrays(library="np")
    features = ("pt", "eta", "phi", "mass", "charge", "pdgId")
    for e in range(len(tree["event"])):
        rows = np.stack([np.asarray(tree[f"{cands}_{n}"][e], float) for n in features], -1)
        jet, place = tree[f"{link}_jetIdx"][e], tree[f"{link}_{index}"][e]
        links = [(o, p) for o, p in zip(jet, place, strict=True) if p >= 0]
        yield [rows[[p for o, p in links if o == j]] for j in range(len(tree[f"{jets}_pt"][e]))]


def expected(root: Path) -> list[np.ndarray]:
    return [jet for name in FILES for jets in by_hand(root / "raw" / name) for jet in jets]


def read(path: Path) -> dict:
    with uproot.open(path) as file:
        tree = file["Events"].arrays()
    flat = {n: tree[n].to_numpy() for n in ("run", "luminosityBlock", "event", "HLT_PFJet500")}
    tables: dict[str, dict] = {}
    for name in tree.fields:
        if tree[name].ndim == 2:
            table, _, column = name.rpartition("_")
            tables.setdefault(table, {})[column] = tree[name]
    return flat | {name: ak.zip(columns) for name, columns in tables.items()}


def change(root: Path, edit, name: str = FILES[0]) -> None:
    arrays = read(root / "raw" / name)
    edit(arrays)
    save(root / "raw" / name, arrays)


def without(table: str, column: str):
    def edit(arrays):
        arrays[table] = arrays[table][[n for n in arrays[table].fields if n != column]]

    return edit


def put(table: str, column: str, value: float, kind: type = np.float32):
    """Give all entries of event 2 this value, which has two jets."""

    def edit(arrays):
        values, counts = arrays[table][column], ak.num(arrays[table][column])
        flat, ends = ak.flatten(values).to_numpy().astype(kind), np.cumsum(counts.to_numpy())
        flat[ends[1] : ends[2]] = value
        arrays[table] = ak.with_field(arrays[table], ak.unflatten(flat, counts), column)

    return edit


def _text(arrays):
    arrays["PFCands"] = without_pt = arrays["PFCands"][["eta", "phi", "mass", "charge", "pdgId"]]
    arrays["PFCands_pt"] = ak.Array(["hot"] * len(without_pt))


def on(edit, name: str = FILES[0]):
    return lambda root: change(root, edit, name)


LAYOUT = Layout(
    PFNano,
    write,
    expected,
    options={"pairs": False},
    wrong={
        "columns": (on(without("PFCands", "eta")), "no reco AK8 jets .* no PFCands_eta"),
        "dtype": (on(_text), "'PFCands_pt' holds string, expected lists of numbers"),
        "nan": (on(put("PFCands", "pt", np.nan)), "nano_1.root: jet 51[23] has a NaN"),
        "negative": (on(put("PFCands", "pt", -1.0)), "nano_1.root: jet 51[23] has .* negative"),
        "count": (
            on(put("FatJetPFCands", "pFCandsIdx", 5000, np.int32)),
            "nano_1.root: event 2, jet .*pFCandsIdx is 5000, but there are",
        ),
        "second": (
            on(without("FatJet", "tau2"), FILES[1]),
            "nano_2.root has no tau2 of reco jets, but the first file has",
        ),
    },
    exempt={"label": "there are no labels"},
)
