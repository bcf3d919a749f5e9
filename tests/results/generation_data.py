"""The runs, jets and networks of the generators of W jets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_jets.columns import STAGES
from pyg_jets.datasets import PythiaJets
from pyg_jets.files import content_hash
from pyg_jets.io import read_parquet
from pyg_jets.jets import JetArray
from pyg_jets.loader import JetLoader
from pyg_jets.metrics.features import jet_features
from pyg_jets.ops import segment_topk
from pyg_jets.runs import Run, load_run
from pyg_jets.transforms import Detect
from tests.results.comparison_data import kept as kept_in

__all__ = ["FOLDER", "Generated", "Given", "Jets", "finished", "kept", "leading", "place",
           "ragged", "stages"]  # fmt: skip

POINTS = Path("runs/scans/generation/points")
#: Where everything is kept that the scan does not make, so that nothing is made twice.
FOLDER = Path("runs/generation")
PADDINGS = {"zero": "zeros", "away": "away", "mask": "mask"}
#: The detector's seed of the truth floor, unlike that of the target.
SECOND = 1


class Jets(NamedTuple):
    """Particles (pT, η, φ) relative to the axis of GEN, and the pointer."""

    x: Tensor
    ptr: Tensor

    def __len__(self) -> int:
        return len(self.ptr) - 1

    def first(self, n: int) -> Jets:
        """The first ``n`` jets."""
        return Jets(self.x[: self.ptr[: n + 1][-1]], self.ptr[: n + 1])

    def scaled(self, pt: np.ndarray) -> Jets:
        """The same with pT over a number of each jet."""
        x, of_jet = self.x.double(), torch.from_numpy(pt).repeat_interleave(self.ptr.diff())
        return Jets(torch.cat((x[:, :1] / of_jet[:, None], x[:, 1:]), 1), self.ptr)


def leading(jets: Jets, n: int | None) -> Jets:
    """The ``n`` hardest particles of each jet; all for ``None``."""
    if n is None:
        return jets
    rows, ptr = segment_topk(jets.x[:, 0], jets.ptr, n)
    return Jets(jets.x[rows], ptr)


def kept(name: str, make: Callable[[], Any], n_jets: int | None) -> Any:
    """What ``make`` gives of so many jets, made once and kept as JSON."""
    return kept_in(name, make, place(n_jets))


def place(n_jets: int | None) -> Path:
    """Where it is kept; of fewer than all jets, apart."""
    return FOLDER if n_jets is None else FOLDER / "thin" / str(n_jets)


def stages(path: Path) -> dict[str, JetArray]:
    """The jets of each stage that a file of generated jets holds."""
    jets = read_parquet(path)
    numbers = jets.jets["stage"]
    return {
        STAGES[int(number)]: jets[np.flatnonzero(numbers == number)]
        for number in np.unique(numbers)
    }


def ragged(jets: JetArray) -> Jets:
    """Jets as tensors."""
    return Jets(torch.tensor(jets.particles), torch.tensor(jets.ptr))


class Generated:
    """A trained network and the jets that it made.

    Args:
        run: Its run folder.
        n_jets: Read so many jets. Default: all.
    """

    def __init__(self, run: Run, n_jets: int | None = None) -> None:
        self.run, self.n_jets = run, n_jets
        given = run.config["model"]["network"]
        self.kind, self.arguments = given["class_path"].rpartition(".")[2], given["init_args"]
        transform = run.config["data"]["train_transform"]["init_args"]
        self.most = transform.get("max_target")

    @property
    def is_graph(self) -> bool:
        """Whether it makes jets of any length."""
        return self.kind != "ConvVAE"

    @property
    def title(self) -> str:
        """Its name on the page."""
        if self.is_graph:
            return "GraphVAE" + (f" {self.most}" if self.most else "")
        padding = PADDINGS[self.arguments["padding"]]
        return f"ConvVAE {self.arguments['max_particles']}, {padding}"

    @property
    def key(self) -> str:
        """Name of what is kept of it; a new training has another."""
        words = self.title.replace(", ", "-").replace(" ", "-").lower()
        return f"{words}-{content_hash(self.run.provenance['date'], digits=6)}"

    @property
    def order(self) -> tuple[Any, ...]:
        """Its place in tables: lists by length and padding, then graphs."""
        padding = list(PADDINGS).index(self.arguments.get("padding", "zero"))
        return self.is_graph, self.most is None, self.most or 0, padding

    def parts(self) -> dict[str, JetArray]:
        """What it read, should have made, and made; read anew, as it is large."""
        found = stages(self.run.folder / "generated.parquet")
        return {name: jets[: self.n_jets] for name, jets in found.items()}

    def made(self, ids: np.ndarray) -> Jets:
        """The jets that it made of those with these ids."""
        found = self.parts()["made"]
        if not np.array_equal(found.ids, ids):
            raise ValueError(f"{self.run.folder} was tested on other jets than the truth.")
        return ragged(found)

    def network(self) -> nn.Module:
        """The network as its best epoch left it."""
        given = self.run.config["model"]["network"]
        name, _, kind = given["class_path"].rpartition(".")
        network = getattr(import_module(name), kind)(**given["init_args"])
        path = self.run.folder / "checkpoints" / "best.ckpt"
        state = torch.load(path, weights_only=False, map_location="cpu")["state_dict"]
        mine = {k.removeprefix("network."): v for k, v in state.items() if k[:8] == "network."}
        network.load_state_dict(mine)
        return network.eval()


def finished(n_jets: int | None = None) -> list[Generated]:
    """The finished runs of the scan, in the order of the tables; of two of a name the newer."""
    folders = [p for p in sorted(POINTS.iterdir()) if (p / "generated.parquet").exists()]
    done = [p for p in folders if (p / "provenance.json").exists()]
    found = [Generated(load_run(p), n_jets) for p in done]
    newest = sorted(found, key=lambda one: one.run.provenance["date"])
    return sorted({one.title: one for one in newest}.values(), key=lambda one: one.order)


class Given:
    """The jets of the scan before and after the detector.

    Args:
        one: The run of which GEN and target are taken, which must be whole.
    """

    def __init__(self, one: Generated) -> None:
        parts = one.parts()
        self.ids, self.n_jets = parts["input"].ids, one.n_jets
        self.gen, self.target = ragged(parts["input"]), ragged(parts["target"])
        of_gen = jet_features(*self.gen)
        self.pt, self.mass = of_gen["pt"], of_gen["mass"]
        # the record of the data, as a configuration that is kept lacks what is null
        made, data = one.run.provenance["content"], one.run.config["data"]["dataset"]["init_args"]
        self.dataset = PythiaJets(**{**data, **made})

    def canonical(self, n_jets: int, at_once: int = 1024) -> Iterator[Batch]:
        """The first jets as they are before the detector."""
        begin = 0
        for batch in JetLoader(
            self.dataset.get_split("test")[: min(n_jets, len(self.ids))], at_once
        ):
            end = begin + batch.num_graphs
            if not np.array_equal(batch.jet_id.flatten(), self.ids[begin:end]):
                raise ValueError("The data set has other test jets than the runs.")
            yield batch
            begin = end

    def detected(self, seed: int, n_jets: int) -> Jets:
        """RECO of the first jets, as another seed of the detector has it."""
        detect = Detect("cms-like", ["pt", "etarel", "phirel"], seed)
        seen = map(detect, self.canonical(n_jets))
        return joined([Jets(batch.x_target, batch.x_target_ptr) for batch in seen])


def joined(parts: list[Jets]) -> Jets:
    """Ragged parts behind each other."""
    counts = torch.cat([ptr.diff() for _, ptr in parts])
    return Jets(torch.cat([x for x, _ in parts]), torch.cat((counts[:1] * 0, counts.cumsum(0))))
