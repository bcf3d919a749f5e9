"""Data sets that fetch what is missing, from a web server on this machine."""

import shutil

import pytest

from pyg_jets.datasets import JetImages, QuarkGluon, TopTagging
from tests.datasets.layouts.all import LAYOUTS
from tests.io.server import QUICK, Handler, serving, well


@pytest.fixture
def mirror(written, monkeypatch):
    """A server of the raw files of a layout, in place of the publisher's."""
    monkeypatch.setattr("pyg_jets.io.download.RetryPolicy", lambda: QUICK)
    monkeypatch.setattr("pyg_jets.io.transfer.RetryPolicy", lambda: QUICK)

    def serve(name, change=lambda content: content):
        raw = written(LAYOUTS[name]) / "raw"

        def behave(request: Handler) -> None:
            path = raw / request.path.split("/")[-1].split("?")[0]
            if path.is_file():
                well(change(path.read_bytes()))(request)
            else:
                request.reply(404)

        return serving(behave)

    return serve


def test_what_is_missing_is_fetched_and_nothing_else(mirror, written, tmp_path, monkeypatch):
    with mirror("top_tagging") as server:
        monkeypatch.setenv("PYG_JETS_MIRROR", server.url)
        train = TopTagging(tmp_path, split="train")
        assert [path.split("/")[-1] for path, _ in server.requests] == ["train.h5"]
        assert len(TopTagging(tmp_path)) > len(train)
        assert [path.split("/")[-1] for path, _ in server.requests][1:] == ["val.h5", "test.h5"]
    assert len(TopTagging(tmp_path)) == len(TopTagging(written(LAYOUTS["top_tagging"])))


def test_without_a_server_a_processed_set_opens(mirror, tmp_path, monkeypatch):
    with mirror("top_tagging") as server:
        monkeypatch.setenv("PYG_JETS_MIRROR", server.url)
        TopTagging(tmp_path, split="val")
    assert len(TopTagging(tmp_path, split="val"))
    with pytest.raises(ConnectionError, match=r"test\.h5"):
        TopTagging(tmp_path, split="test")


@pytest.mark.parametrize(("kind", "name"), [(QuarkGluon, "quark_gluon"), (JetImages, "jet_images")])
def test_other_bytes_than_published(kind, name, mirror, tmp_path, monkeypatch):
    with mirror(name) as server:
        monkeypatch.setenv("PYG_JETS_MIRROR", server.url)
        with pytest.raises(ValueError, match=r"hash|sha256|md5") as caught:
            kind(tmp_path)
    assert LAYOUTS[name].files(tmp_path) == [] or not list((tmp_path / "raw").glob("[!.]*.npz"))
    assert not list(tmp_path.glob("processed/[!.]*"))
    assert "expected" in str(caught.value)


def test_a_file_that_is_not_there(mirror, tmp_path, monkeypatch):
    with mirror("quark_gluon") as server:
        monkeypatch.setenv("PYG_JETS_MIRROR", server.url)
        with pytest.raises(FileNotFoundError, match=r"train\.h5"):
            TopTagging(tmp_path, split="train")


def test_a_web_page_in_place_of_the_file(mirror, tmp_path, monkeypatch):
    page = b"<!DOCTYPE html><html>Sign in</html>"
    with mirror("top_tagging", lambda content: page) as server:
        monkeypatch.setenv("PYG_JETS_MIRROR", server.url)
        with pytest.raises(ValueError, match=r"HTML|web page"):
            TopTagging(tmp_path, split="train")
    assert not (tmp_path / "raw" / "train.h5").exists()


def test_a_mirror_on_disk(written, tmp_path, monkeypatch):
    folder = tmp_path / "mirror" / "record" / "2603256" / "files"
    shutil.copytree(written(LAYOUTS["top_tagging"]) / "raw", folder)
    monkeypatch.setenv("PYG_JETS_MIRROR", str(tmp_path / "mirror"))
    assert len(TopTagging(tmp_path / "root", split="train"))
