"""The configurations of models and data sets fit together."""

import json

import pytest
import yaml

from pyg_jets.cli.main import main
from pyg_jets.files import config_names, config_path, read_config

NAMES = config_names()
MODELS = sorted(name.removeprefix("models/") for name in NAMES if name.startswith("models/"))
DATA = sorted(name.removeprefix("data/") for name in NAMES if name.startswith("data/"))
CLASSES = {"jet_net": 5, "lhc_jets": 5, "jet_class": 10}


@pytest.fixture
def printed(monkeypatch, capsys):
    """The whole configuration of a model on a data set that is not there."""

    def show(model, data, *words):
        configs = ["--config", f"models/{model}", "--config", f"data/{data}"]
        with pytest.raises(SystemExit) as stop:
            main(["fit", *configs, *words, "--print_config"])
        assert stop.value.code == 0
        return yaml.safe_load(capsys.readouterr().out)

    return show


@pytest.mark.parametrize(
    ("model", "data"),
    [*((model, "top_tagging") for model in MODELS), *(("particle_net_lite", d) for d in DATA)],
)
def test_any_model_on_any_data_set(model, data, printed):
    found = printed(model, data)
    network, dataset = found["model"]["network"], found["data"]["dataset"]
    assert network["init_args"]["out_channels"] == CLASSES.get(data, 1)
    assert dataset["init_args"]["root"] == f"data/{data}"
    assert dataset["init_args"].get("split") is None


def test_every_model_and_public_set_with_labels_is_there():
    assert MODELS == ["efn", "fcn", "particle_net", "particle_net_lite", "pfn"]
    assert {"jet_class", "jet_net", "lhc_jets", "quark_gluon", "top_tagging"} < set(DATA)


def test_a_response_reads_the_columns_that_the_detector_gives(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["fit", "--config=w_gen_to_reco", "--print_config"])
    assert stop.value.code == 0
    found = yaml.safe_load(capsys.readouterr().out)
    network = found["model"]["network"]["init_args"]
    assert found["data"]["train_transform"]["init_args"]["names"] == network["columns"]
    assert set(network["cells"]) < set(network["columns"])
    assert found["model"]["loss"]["init_args"]["kinds"] == 5


@pytest.mark.parametrize("overlay", [None, "conv-50", "conv-wide", "conv-quick"])
def test_the_lists_of_the_baseline_end_by_the_loss_that_they_minimise(overlay, capsys):
    words = ["fit", "--config=generation/conv", f"--config=generation/{overlay or 'conv'}"]
    with pytest.raises(SystemExit) as stop:
        main([*words, "--print_config"])
    assert stop.value.code == 0
    tree = yaml.safe_load(capsys.readouterr().out)
    network = tree["model"]["network"]["init_args"]
    assert network["max_particles"] == (50 if overlay == "conv-50" else 30)
    assert network["padding"] in tree["labels"]["list"]
    terms = {"multiplicity": 20} if network["padding"] == "mask" else {}
    assert tree["model"]["loss"]["init_args"]["terms"] == terms
    assert tree["model"]["clip"] == 0
    assert tree["early_stopping"]["monitor"] == tree["checkpoint"]["monitor"] == "val/loss"
    size = tree["data"]["dataset"]["init_args"]
    steps = size["n_jets"] * size["split_fractions"][0] / tree["data"]["batch_size"]
    between = tree["trainer"]["check_val_every_n_epoch"] or 1
    if overlay != "conv-quick":
        assert steps * between * tree["early_stopping"]["patience"] >= 5000


def test_the_sweep_of_generators_names_files_that_are_there():
    (sweep,) = read_config("generation/sweep_gen_reco_inputs")
    for value in sweep["parameters"]["config"]["values"]:
        for name in [value] if isinstance(value, str) else value or []:
            assert config_path(name) == NAMES[name]


def draw_digits(folder, n_pixels):
    words = ["fit", "--config=digits_vae", f"--run={folder / 'run'}"]
    set_to = "--data.dataset.init_args."
    words += [f"{set_to}root={folder}", f"{set_to}n_pixels={n_pixels}", f"{set_to}digit=8"]
    words += ["--model.network.init_args.max_particles=400", "--trainer.max_epochs=1"]
    words += ["--trainer.limit_train_batches=2", "--trainer.check_val_every_n_epoch=1"]
    words += ["--trainer.logger=false", "--trainer.enable_progress_bar=false"]
    assert main(words) == 0
    return folder / "run"


def test_digits_are_drawn(tmp_path):
    assert (draw_digits(tmp_path, 25) / "generated.parquet").exists()


def test_a_run_keeps_what_was_set_to_nothing(tmp_path):
    draw_digits(tmp_path, "null")
    kept = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert kept["data"]["dataset"]["init_args"]["n_pixels"] is None
    again = ["test", f"--config={tmp_path / 'run' / 'config.yaml'}", f"--run={tmp_path / 'again'}"]
    assert main([*again, f"--ckpt_path={tmp_path / 'run' / 'checkpoints' / 'best.ckpt'}"]) == 0
    one, other = (json.loads((tmp_path / n / "provenance.json").read_text())["data_hash"]
                  for n in ("run", "again"))  # fmt: skip
    assert one == other
