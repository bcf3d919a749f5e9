"""A module in the working folder works by class_path, without PYTHONPATH."""

import json
import sys

import yaml

from pyg_jets.cli import main

TAGGER = '''
import torch
from torch import nn

from pyg_jets.ops import segment_sum


class SumTagger(nn.Module):
    """A linear function of the sum of the particles."""

    def __init__(self, in_channels: int = 3, width: int = 4):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(in_channels, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, x: torch.Tensor, ptr: torch.Tensor, pos=None) -> torch.Tensor:
        return self.layers(segment_sum(x, ptr))
'''

CONFIG = {
    "config": ["broken_symmetry/base"],
    "model": {"network": {"class_path": "sum_tagger.SumTagger", "init_args": {"width": 4}}},
    "data": {"dataset": {"init_args": {"root": "toys", "n_jets": 300}}},
    "trainer": {"max_steps": 4, "logger": False, "enable_progress_bar": False},
}

SWEEP = {
    "method": "grid",
    "command": ["${env}", "pyg-jets", "fit", "--config=mine", "${args}"],
    "parameters": {"model.network.init_args.width": {"values": [2, 3]}},
}


def test_a_tagger_of_the_working_folder_trains_and_is_scanned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "sum_tagger.py").write_text(TAGGER)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(CONFIG))
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(SWEEP))
    assert main(["fit", "--config=mine", "--run=runs/mine"]) == 0
    assert json.loads((tmp_path / "runs/mine/metrics.json").read_text())["test/auc"] > 0
    assert main(["scan", "sweep", "--workers=1", "--no-report"]) == 0
    files = (tmp_path / "runs/scans/sweep").glob("points/*/point.json")
    points = [json.loads(path.read_text()) for path in files]
    assert sorted(p["parameters"]["model.network.init_args.width"] for p in points) == [2, 3]
    assert {p["status"] for p in points} == {"finished"}
