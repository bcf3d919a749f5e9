"""The files that are damaged: how each is written, and how it is read by this package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.io import open_table, read_parquet, read_root, write_parquet
from pyg_jets.io.flat import open_flat
from pyg_jets.io.flat_writer import FlatWriter
from pyg_jets.io.hdf5 import open_hdf5, pandas_table, read_rows
from pyg_jets.io.tables import Lists
from pyg_jets.jets import JetArray
from pyg_jets.runs import RunWriter, load_run


@dataclass(frozen=True)
class Format:
    """A format: ``write`` makes files in a folder, and ``read`` gives all that is in them."""

    name: str
    ours: bool
    write: Callable[[Path], None]
    read: Callable[[Path], Any]


def same(a: Any, b: Any) -> bool:
    """Whether two readings hold the same values, to the bit, of the same types."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if hasattr(a, "numpy"):
        a, b = a.numpy(), b.numpy()
    if isinstance(a, np.ndarray):
        alike = isinstance(b, np.ndarray) and (a.dtype, a.shape) == (b.dtype, b.shape)
        return alike and a.tobytes() == b.tobytes()
    return type(a) is type(b) and a == b


def some_jets(n_jets: int = 60) -> JetArray:
    """Jets of a few particles, of which one is empty."""
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 12, n_jets)
    counts[3] = 0
    n = counts.sum()
    kinematics = [rng.exponential(9, n), rng.normal(0, 1, n), rng.normal(0, 1, n)]
    return JetArray(
        np.stack(kinematics, -1).astype(np.float32),
        ("pt", "eta", "phi"),
        np.concatenate(([0], np.cumsum(counts))),
        np.arange(n_jets) % 2,
        {"gen_pt": rng.uniform(500, 600, n_jets).astype(np.float32), "event": np.arange(n_jets)},
    )


def _write_jets(folder: Path) -> None:
    write_parquet(some_jets(), folder / "jets.parquet")


def _jets(folder: Path) -> Any:
    jets = read_parquet(folder / "jets.parquet")
    return [jets.columns, jets.particles, jets.ptr, jets.ids, jets.labels, dict(jets.jets)]


def _write_scores(folder: Path) -> None:
    rng = np.random.default_rng(2)
    columns = {"jet_id": np.arange(200), "label": np.arange(200) % 2, "pt": rng.normal(size=200)}
    RunWriter(folder).write_predictions(columns | {"score": rng.normal(size=200)})


def _scores(folder: Path) -> Any:
    read = load_run(folder).predictions
    return [read.ids, read.labels, read.scores, dict(read.observables)]


def _write_flat(folder: Path) -> None:
    jets = some_jets()
    writer, edges = FlatWriter(folder / "table"), np.arange(0, 3 * len(jets) + 1, 3)
    columns = {"x": jets.particles, "y": jets.labels, "jet_id": jets.ids}
    columns |= {"pos": jets.particles[:, 1:], "edge_index": np.arange(6 * len(jets)).reshape(2, -1)}
    slices = {"x": jets.ptr, "pos": jets.ptr, "y": None, "jet_id": None, "edge_index": edges}
    writer.append(columns, slices, {"edge_index"})
    writer.finish({"columns": list(jets.columns), "jet_columns": []})


def _flat(folder: Path) -> Any:
    table = open_flat(folder / "table")
    columns = {name: np.array(column) for name, column in table.columns.items()}
    return [columns, dict(table.slices), table.joined_last, table.meta]


def _write_checkpoint(folder: Path) -> None:
    import torch

    from pyg_jets.training.checkpoint import write_checkpoint

    weights = {"weight": torch.arange(900.0).reshape(30, 30), "shift": torch.ones(7)}
    state = {0: {"step": torch.tensor(3.0), "exp_avg": torch.zeros(30, 30)}}
    content = {"epoch": 3, "global_step": 40, "state_dict": weights, "loops": {"fit": {"a": [1]}}}
    content |= {"optimizer_states": [{"state": state, "param_groups": [{"lr": 1e-3}]}]}
    write_checkpoint(content, folder / "last.ckpt")


def _checkpoint(folder: Path) -> Any:
    from pyg_jets.training.checkpoint import read_checkpoint

    return read_checkpoint(folder / "last.ckpt")


OURS = (
    Format("parquet (jets)", True, _write_jets, _jets),
    Format("parquet (scores of a run)", True, _write_scores, _scores),
    Format("flat folder", True, _write_flat, _flat),
    Format("checkpoint", True, _write_checkpoint, _checkpoint),
)


def _columns(name: str) -> Callable[[Path], Any]:
    """All columns of the file of this name, read in chunks as `JetFiles` does."""

    def read(folder: Path) -> Any:
        with open_table(folder / name) as table:
            chunks = [
                {n: tuple(v) if isinstance(v, Lists) else np.array(v) for n, v in chunk.items()}
                for chunk in table.chunks(table.names, 25)
            ]
        return [table.names, chunks]

    return read


def _padded() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        "particles": rng.normal(size=(60, 8, 4)).astype(np.float32),
        "jets": rng.normal(size=(60, 5)),
        "label": np.arange(60) % 2,
    }


def _write_hdf5(folder: Path) -> None:
    import h5py

    with h5py.File(folder / "jets.h5", "w") as file:
        for name, values in _padded().items():
            file[name] = values


def _write_packed_hdf5(folder: Path) -> None:
    import h5py

    with h5py.File(folder / "jets.h5", "w") as file:
        for name, values in _padded().items():
            options = {"compression": "gzip", "shuffle": True, "fletcher32": name == "jets"}
            file.create_dataset(
                f"of/{name}", data=values, chunks=(16, *values.shape[1:]), **options
            )


def _write_pandas(folder: Path) -> None:
    import pandas as pd

    columns = [f"{name}_{i}" for i in range(5) for name in ("E", "PX", "PY", "PZ")]
    frame = pd.DataFrame(np.random.default_rng(4).normal(size=(60, 20)), columns=columns)
    frame.astype("f4").assign(is_signal_new=np.arange(60) % 2).to_hdf(
        folder / "jets.h5", key="table", format="table", complevel=5, complib="zlib"
    )


def _pandas(folder: Path) -> Any:
    columns = [f"{name}_{i}" for i in range(5) for name in ("E", "PX", "PY", "PZ")]
    blocks = {"values_block_0": columns, "values_block_1": ("is_signal_new",)}
    with open_hdf5(folder / "jets.h5") as file:
        rows = read_rows(pandas_table(file, "table", blocks), 0, 60)
    return [rows[name] for name in blocks]


def _write_npz(folder: Path) -> None:
    np.savez(folder / "jets.npz", **_padded())


def _write_packed_npz(folder: Path) -> None:
    np.savez_compressed(folder / "jets.npz", **_padded())


def _root(compression: str | None, kind: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        import uproot

        jets = some_jets()
        array = jets.to_awkward()
        content = {f"part_{name}": array.constituents[name] for name in jets.columns}
        content |= {"label": jets.labels, "jet_pt": jets.jets["gen_pt"]}
        packed = getattr(uproot, compression)(4) if compression else None
        with uproot.recreate(folder / "jets.root", compression=packed) as file:
            if kind == "TTree":
                types = {f"part_{name}": "var * float32" for name in jets.columns}
                file.mktree("tree", {**types, "label": "int64", "jet_pt": "float32"})
                file["tree"].extend(content)
            else:
                file.mkrntuple("tree", content)

    return write


def _root_jets(folder: Path) -> Any:
    columns = {name: f"part_{name}" for name in ("pt", "eta", "phi")}
    jets = read_root(folder / "jets.root", "tree", columns, {"gen_pt": "jet_pt"}, "label")
    return [jets.particles, jets.ptr, jets.labels, dict(jets.jets)]


OTHERS = (
    Format("HDF5 (contiguous)", False, _write_hdf5, _columns("jets.h5")),
    Format("HDF5 (gzip, shuffle)", False, _write_packed_hdf5, _columns("jets.h5")),
    Format("HDF5 (pandas table)", False, _write_pandas, _pandas),
    Format("npz (stored)", False, _write_npz, _columns("jets.npz")),
    Format("npz (deflated)", False, _write_packed_npz, _columns("jets.npz")),
    Format("ROOT (TTree, zlib)", False, _root("ZLIB", "TTree"), _columns("jets.root")),
    Format("ROOT (TTree, stored)", False, _root(None, "TTree"), _root_jets),
    Format("ROOT (RNTuple)", False, _root("ZSTD", "RNTuple"), _root_jets),
)
