"""Configurations by name: looked up, nested, listed, copied, and what refuses a wrong name."""

import pytest
import yaml

from pyg_jets.cli import main
from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.files import config_name, config_names, config_path, data_path, read_config
from pyg_jets.scan.point import point_hash
from pyg_jets.training.cli import check_arguments, task_of


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(path, tree):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(tree, sort_keys=False))


@pytest.mark.parametrize("name", ["tagger", "models/pfn", "broken_symmetry/arms/pre-inv"])
def test_a_name_is_a_file_of_the_package_with_or_without_its_suffix(name):
    path = config_path(name)
    assert path == config_path(f"{name}.yaml") == config_names()[name]
    assert config_name(path) == name


def test_a_file_in_the_working_folder_comes_before_one_of_the_package(tmp_path):
    write(tmp_path / "tagger.yaml", {"title": "mine"})
    assert read_config("tagger") == read_config("tagger.yaml") == [{"title": "mine"}]
    assert config_name("tagger.yaml") is None


def test_a_folder_of_the_name_is_no_configuration(tmp_path):
    (tmp_path / "tagger").mkdir()
    assert config_path("tagger") == config_names()["tagger"]


@pytest.mark.parametrize(
    ("name", "meant"), [("tager", "tagger"), ("pfm", "models/pfn"), ("zebra", None)]
)
def test_a_wrong_name_is_answered_with_a_similar_one(name, meant):
    with pytest.raises(MissingFileError, match=f"{name} is not there") as error:
        config_path(name)
    assert ("Did you mean" in str(error.value)) == (meant is not None)
    assert meant is None or f"'{meant}'" in str(error.value)


def test_a_list_of_configurations_comes_before_the_one_that_names_it(tmp_path):
    write(tmp_path / "more" / "base.yaml", {"config": "models/pfn", "title": "base"})
    write(tmp_path / "mine.yaml", {"title": "mine", "config": ["more/base", "data/pythia"]})
    trees = read_config("mine")
    assert [tree.get("title") for tree in trees] == [None, "base", None, "mine"]
    assert trees[0] == read_config("models/pfn")[0]


def test_a_nested_path_may_be_relative_to_its_file(tmp_path):
    write(tmp_path / "a" / "base.yaml", {"title": "beside"})
    write(tmp_path / "a" / "top.yaml", {"config": "base.yaml"})
    assert read_config("a/top") == [{"title": "beside"}, {}]


def test_a_configuration_that_includes_itself_is_refused(tmp_path):
    write(tmp_path / "a.yaml", {"config": ["b.yaml"]})
    write(tmp_path / "b.yaml", {"config": ["a.yaml"]})
    with pytest.raises(InputError, match=r"a\.yaml includes itself"):
        read_config("a.yaml")


@pytest.mark.parametrize(("text", "message"), [("[1]", "mapping"), ("a: [", "is not YAML")])
def test_a_file_that_is_no_configuration_is_refused(tmp_path, text, message):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError, match=rf"a\.yaml.*{message}"):
        read_config("a.yaml")


def test_the_command_overlays_nested_configurations_in_order(tmp_path, capsys):
    write(
        tmp_path / "mine.yaml", {"title": "mine", "config": ["tagger"], "data": {"batch_size": 7}}
    )
    with pytest.raises(SystemExit):
        main(["fit", "--config=mine", "--trainer.max_epochs=3", "--print_config"])
    tree = yaml.safe_load(capsys.readouterr().out)
    assert (tree["title"], tree["data"]["batch_size"]) == ("mine", 7)
    assert tree["data"]["dataset"]["class_path"] == "pyg_jets.datasets.PythiaJets"
    assert tree["trainer"]["max_epochs"] == 3


def test_the_task_and_the_name_of_a_point_depend_on_nested_configurations(tmp_path):
    write(tmp_path / "base.yaml", {"task": "generate"})
    write(tmp_path / "top.yaml", {"config": ["base"]})
    assert task_of(["fit", "--config=top"]) == "generate"
    first = point_hash(["fit", "--config=top"])
    write(tmp_path / "base.yaml", {"task": "tag"})
    assert point_hash(["fit", "--config=top"]) != first


def test_a_name_and_its_file_are_the_same_point():
    names = ["--config=tagger", f"--config={config_path('tagger')}"]
    assert len({point_hash(["fit", name]) for name in names}) == 1


def test_configs_list_and_show(capsys):
    assert main(["configs", "list"]) == 0
    printed = capsys.readouterr().out
    assert "broken_symmetry/sweep_quick" in printed
    assert "A particle-flow network that tells W jets from QCD jets" in printed
    assert main(["configs", "show", "models/pfn"]) == 0
    assert capsys.readouterr().out == config_path("models/pfn").read_text()


def test_configs_copy_takes_along_what_a_sweep_names(tmp_path, capsys):
    assert main(["configs", "copy", "broken_symmetry/sweep_quick", "mine"]) == 0
    printed = capsys.readouterr().out.splitlines()
    copies = {str(p.relative_to(tmp_path)) for p in (tmp_path / "mine").rglob("*.yaml")}
    assert set(printed) == copies
    for name in ("sweep_quick", "base", "arms/pre-inv", "tuned/pfn-none"):
        assert f"mine/broken_symmetry/{name}.yaml" in copies
    assert len(copies) == 2 + 6 + 6


def test_configs_copy_writes_nothing_over(tmp_path, capsys):
    write(tmp_path / "broken_symmetry" / "base.yaml", {"title": "mine"})
    assert main(["configs", "copy", "broken_symmetry/sweep_quick", "."]) == 2
    assert "base.yaml is there already" in capsys.readouterr().err
    assert [p.name for p in tmp_path.rglob("*.yaml")] == ["base.yaml"]
    assert read_config("broken_symmetry/base") == [{"title": "mine"}]


def test_relative_data_roots_lie_below_a_folder_of_the_environment(tmp_path, monkeypatch):
    from pyg_jets.datasets import ToyJets

    assert str(data_path("data/toy")) == "data/toy"
    monkeypatch.setenv("PYG_JETS_DATA", str(tmp_path / "shared"))
    (tmp_path / "agent").mkdir()
    monkeypatch.chdir(tmp_path / "agent")
    assert ToyJets("data/toy", n_jets=20).root == str(tmp_path / "shared" / "data" / "toy")
    assert data_path(tmp_path / "elsewhere") == tmp_path / "elsewhere"
    assert not any((tmp_path / "agent").iterdir())
    monkeypatch.setenv("PYG_JETS_DATA", "shared")
    assert data_path(data_path("data")) == data_path("data") == tmp_path / "agent/shared/data"


FIT = ["fit", "--config=tagger"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            [*FIT, "--trainer.max_epoch=3"],
            "--trainer.max_epoch. Did you mean '--trainer.max_epochs'",
        ),
        ([*FIT, "--trainer.max_epochs=x"], "Expected trainer.max_epochs as one of int, None, but"),
        ([*FIT, "--model.network=pyg_jets.nn.PFM"], "Did you mean 'pyg_jets.nn.PFN'?"),
        (
            [*FIT, "--model.network.init_args.phy=[1]"],
            "PFN has no argument phy. Did you mean 'phi'",
        ),
        ([*FIT, "--model.optimizer=Adamm"], "Did you mean 'torch.optim.Adam'?"),
        (
            [*FIT, "--model.network=nowhere.Net"],
            "there is no module nowhere, neither",
        ),
        (["fit", "--config={tainer: {max_epochs: 3}}"], "Did you mean 'trainer.max_epochs'?"),
        (["fit"], "Expected values for model.network, data.dataset, but got none"),
        (["fit", "--config=tager"], "Did you mean 'tagger'?"),
        (["ft"], "There is no command ft of pyg-jets: choose from generate"),
        (["scna", "x"], "Did you mean 'scan'?"),
        (["demo", "--jet=3"], "There is no option --jet of pyg-jets demo. Did you mean '--jets'?"),
        (["demo", "--jets=x"], "argument --jets: invalid int value: 'x'; pyg-jets demo --help"),
        (["scan", "broken_symetry/sweep"], "Did you mean 'broken_symmetry/sweep'?"),
        (["generate"], "the following arguments are required: --process, --jets, --out"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_a_user_can_mend_is_one_line(words, message, capsys):
    assert main(words) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.startswith("pyg-jets: ")
    assert printed.count("\n") == 1


def test_abbreviated_options_are_refused_for_every_command(capsys):
    for words in (["demo", "--epoch=1"], ["scan", "tagging/sweep", "--dry"], [*FIT, "--titl=x"]):
        assert main(words) == 2
        assert "There is no option" in capsys.readouterr().err


def test_the_check_of_arguments_says_the_same_as_the_command():
    with pytest.raises(InputError, match=r"Did you mean '--trainer\.max_epochs'"):
        check_arguments([*FIT, "--trainer.max_epoch=3"])
