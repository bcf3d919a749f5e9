"""Checkpoints: written whole, sealed, and refused in words where they are damaged."""

import zipfile

import pytest
import torch

from pyg_jets.errors import InputError
from pyg_jets.training.checkpoint import SealedCheckpointIO, read_checkpoint, write_checkpoint
from tests.stress.damage import damaged
from tests.stress.formats import same

CONTENT = {
    "epoch": 3,
    "state_dict": {"weight": torch.arange(600.0).reshape(20, 30), "shift": torch.ones(7)},
    "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(20, 30)}}, "lr": 1e-3}],
}


@pytest.fixture
def path(tmp_path):
    write_checkpoint(CONTENT, tmp_path / "best.ckpt")
    return tmp_path / "best.ckpt"


def test_a_sealed_checkpoint_is_one_of_torch_too(path):
    assert same(read_checkpoint(path), CONTENT)
    assert same(torch.load(path, weights_only=True), CONTENT)
    assert zipfile.ZipFile(path).testzip() is None
    assert [file.name for file in path.parent.iterdir()] == ["best.ckpt"]


def test_no_damage_of_a_checkpoint_of_lightning_is_read_as_other_weights(path):
    torch.save(CONTENT, path)
    whole = path.read_bytes()
    assert same(read_checkpoint(path), CONTENT)
    refused = 0
    for number in range(40):
        path.write_bytes(damaged(whole, number))
        try:
            read = read_checkpoint(path)
        except InputError:
            refused += 1
        else:
            assert same(read, CONTENT), number
    assert refused > 25


def test_the_checkpoint_beside_a_damaged_one_is_named(path):
    write_checkpoint(CONTENT, path.with_name("last.ckpt"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"use last\.ckpt beside it, or train again"):
        read_checkpoint(path)
    with pytest.raises(
        FileNotFoundError, match=r"no checkpoint .*none\.ckpt: use best\.ckpt or last\.ckpt beside"
    ):
        read_checkpoint(path.with_name("none.ckpt"))


class Stranger:
    pass


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"state_dict": {}, "hyper_parameters": Stranger()}, "something else than plain values"),
        ({"weights": {}}, "without the weights of a network"),
        ([1, 2], "without the weights of a network"),
    ],
)
def test_another_content_is_refused(path, content, said):
    torch.save(content, path)
    with pytest.raises(InputError, match=said):
        read_checkpoint(path)


def test_a_trainer_reads_and_writes_them(path):
    plugin = SealedCheckpointIO()
    plugin.save_checkpoint(CONTENT, path)
    assert same(plugin.load_checkpoint(path), CONTENT)
    whole = path.read_bytes()
    path.write_bytes(whole[:900] + b"\1" + whole[901:])
    with pytest.raises(InputError, match=r"best\.ckpt is damaged \(its CRC is"):
        plugin.load_checkpoint(path, weights_only=False)  # it does not do as it is asked
