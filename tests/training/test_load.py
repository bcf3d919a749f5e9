"""Models of saved runs: the scores and jets of the trained ones, and refusals in words."""

import shutil

import pytest
import torch
import yaml

import pyg_jets
from pyg_jets.io.checksums import is_sealed
from pyg_jets.training import Generator, Tagger, cli, load_generator, load_tagger

TOYS = {"class_path": "pyg_jets.datasets.ToyJets"}
TRAINER = {"max_epochs": 2, "accelerator": "cpu", "logger": False, "enable_progress_bar": False}


def fit(folder, tree):
    """Train by the command line; the finished command line holds model and data."""
    dataset = {**TOYS, "init_args": {"root": str(folder / "data"), "n_jets": 80}}
    tree = {**tree, "trainer": TRAINER, "data": {**tree["data"], "dataset": dataset}}
    (folder / "config.yaml").write_text(yaml.safe_dump(tree))
    return cli.main(["fit", "--config", str(folder / "config.yaml"), "--run", str(folder / "run")])


@pytest.fixture(scope="module")
def tagging(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tagging")
    network = {"class_path": "pyg_jets.nn.ParticleNetLite", "init_args": {"k": 3}}
    loss = {"class_path": "pyg_jets.losses.InvarianceLoss", "init_args": {"b": 10.0}}
    resimulate = {
        "class_path": "pyg_jets.transforms.Resimulate",
        "init_args": {"detector": "toy-uniform", "angles": 2},
    }
    for name in (".metrics.csv.k2_abcde", "checkpoints/.last.ckpt.x7_abcde"):  # left by a kill
        (folder / "run" / name).mkdir(parents=True)
    done = fit(folder, {"model": {"network": network, "loss": loss},
                        "data": {"train_transform": resimulate,
                                 "features": {"names": ["eta", "phi", "pt"], "axis": "origin"}},
                        })  # fmt: skip
    return folder / "run", done


@pytest.fixture(scope="module")
def generation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generation")
    network = {"class_path": "pyg_jets.nn.ConditionalGraphVAE", "init_args": {"latent": 2}}
    detect = {
        "class_path": "pyg_jets.transforms.Detect",
        "init_args": {"detector": "toy-uniform", "names": ["pt", "etarel", "phirel"]},
    }
    model = {"network": network, "loss": {"class_path": "pyg_jets.losses.ResponseLoss"}}
    data = {"train_transform": detect}
    done = fit(folder, {"task": "generate", "model": model, "data": data})
    return folder / "run", done


def test_a_tagger_gives_the_scores_of_the_trained_one(tagging):
    folder, done = tagging
    state = torch.get_rng_state()
    run = pyg_jets.load_run(folder)
    tagger = run.tagger()
    assert torch.equal(torch.get_rng_state(), state)
    assert isinstance(tagger, Tagger)
    assert not tagger.training
    done.model.eval()
    for batch in done.datamodule.predict_dataloader():
        scores = tagger(batch.x, batch.ptr, batch.pos)
        assert torch.equal(scores, done.model(batch.x, batch.ptr, batch.pos))
        order = batch.jet_id.flatten().argsort()
        saved = torch.from_numpy(run.predictions.scores)
        torch.testing.assert_close(scores.flatten()[order].double(), saved.double())
    assert repr(tagger.loss) == "InvarianceLoss(a=1.0, b=10.0)"


def test_a_generator_makes_the_jets_of_the_trained_one(generation):
    folder, done = generation
    generator = load_generator(folder)
    assert isinstance(generator, Generator)
    done.model.eval()
    batch = next(iter(done.datamodule.predict_dataloader()))
    jets = []
    for model in (generator, done.model):
        torch.manual_seed(0)
        jets.append(model(batch.x, batch.ptr))
    (x, ptr), (trained_x, trained_ptr) = jets
    assert torch.equal(x, trained_x)
    assert torch.equal(ptr, trained_ptr)


def test_the_model_of_another_task_is_refused(tagging, generation):
    with pytest.raises(ValueError, match="task 'tag': call load_tagger"):
        load_generator(tagging[0])
    with pytest.raises(ValueError, match="task 'generate': call load_generator"):
        pyg_jets.load_run(generation[0]).tagger()


@pytest.fixture
def copy(tagging, tmp_path):
    return shutil.copytree(tagging[0], tmp_path / "run")


def test_what_is_missing_is_named(copy):
    (copy / "checkpoints" / "best.ckpt").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no checkpoints/best\.ckpt"):
        load_tagger(copy)
    (copy / "config.yaml").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no config\.yaml"):
        load_tagger(copy)
    with pytest.raises(FileNotFoundError, match="no run folder"):
        load_tagger(copy / "nothing")


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_a_damaged_checkpoint_is_refused_in_words(copy, size):
    path = copy / "checkpoints" / "best.ckpt"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"best\.ckpt is .* a whole checkpoint: use last"):
        load_tagger(copy)


def test_the_command_line_seals_checkpoints_and_checks_the_seal(tagging, tmp_path):
    path = tagging[0] / "checkpoints" / "best.ckpt"
    assert is_sealed(path)
    left = [p.name for p in tagging[0].rglob(".*") if p.suffix != ".lock"]
    assert left == [], "what a kill leaves is removed by the next fit"
    broken = tmp_path / "broken.ckpt"
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    broken.write_bytes(whole)
    config = str(tagging[0].parent / "config.yaml")
    with pytest.raises(ValueError, match=r"broken\.ckpt is damaged \(its CRC"):
        cli.main(["test", "--config", config, "--run", str(tmp_path), "--ckpt_path", str(broken)])


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (
            {"class_path": "pyg_jets.nn.Nothing"},
            "cannot be built; it was written by pyg_jets 0.0.7",
        ),
        ({"class_path": "pyg_jets.nn.PFN", "init_args": {"depth": 3}}, "cannot be built; .*depth"),
        ({"class_path": "pyg_jets.nn.PFN"}, "does not hold the weights .* 0.0.7, and this is"),
    ],
)
def test_another_configuration_is_refused_with_its_version(copy, network, said):
    tree = yaml.safe_load((copy / "config.yaml").read_text())
    tree["model"]["network"] = network
    (copy / "config.yaml").write_text(yaml.safe_dump(tree))
    text = (copy / "provenance.json").read_text()
    old = text.replace(f'"version": "{pyg_jets.__version__}"', '"version": "0.0.7"')
    (copy / "provenance.json").write_text(old)
    with pytest.raises(ValueError, match=said):
        load_tagger(copy)
