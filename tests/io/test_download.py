"""Files of a data set: fetched if missing, held against their hashes."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import threading

import pytest

from pyg_jets.io import download
from pyg_jets.io.download import CHECKSUMS, RemoteFile, fetch, verify
from pyg_jets.io.remote import MIRROR, address
from tests.io.server import (
    DATA,
    NOWHERE,
    OTHER,
    PAGE,
    QUICK,
    SHA,
    bring,
    left,
    remote,
    serving,
    unverified,
    well,
)

pytest.importorskip("requests")


@pytest.fixture(autouse=True)
def no_mirror(monkeypatch):
    monkeypatch.delenv(MIRROR, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize(
    ("algorithm", "hash"), [("sha256", SHA), ("md5", hashlib.md5(DATA).hexdigest())]
)
def test_a_good_server(tmp_path, algorithm, hash):
    with serving(well()) as server:
        path = bring(remote(server, algorithm=algorithm, hash=hash.upper()), tmp_path / "raw")
        assert path.read_bytes() == DATA
        assert left(tmp_path / "raw") == {"jets.h5"}
        assert len(server.requests) == 1


def test_what_is_there_is_neither_asked_for_nor_hashed(tmp_path, monkeypatch):
    with serving(well()) as server:
        file = remote(server)
        bring(file, tmp_path)
        server.requests.clear()
        monkeypatch.setattr(download, "_file_hash", None)
        monkeypatch.setattr(download, "transfer", None)
        bring(file, tmp_path)
        assert not server.requests


def test_only_what_is_missing_is_fetched(tmp_path):
    (tmp_path / "a.h5").write_bytes(DATA)
    with serving(well()) as server:
        fetch([remote(server, "a.h5"), remote(server, "b.h5")], tmp_path, False, QUICK)
        assert [path for path, _ in server.requests] == ["/files/b.h5"]


def test_other_bytes(tmp_path):
    with serving(well(OTHER)) as server:
        with pytest.raises(ValueError, match="fetch again") as error:
            bring(remote(server), tmp_path)
        for word in ("jets.h5", SHA, hashlib.sha256(OTHER).hexdigest(), server.url):
            assert word in str(error.value)
        assert not left(tmp_path)
        server.behave(well())
        assert bring(remote(server), tmp_path).read_bytes() == DATA


def test_another_size(tmp_path):
    with serving(well(DATA[:1000])) as server:
        with pytest.raises(ValueError, match="1,000 bytes, expected 1,024,000"):
            bring(remote(server, bytes=len(DATA)), tmp_path)
        assert not left(tmp_path)


@pytest.mark.parametrize("size", [0, 1000])
def test_a_file_of_another_size_that_is_there(tmp_path, size):
    (tmp_path / "jets.h5").write_bytes(DATA[:size])
    file = RemoteFile("jets.h5", "https://example.org/jets.h5", bytes=len(DATA))
    with pytest.raises(ValueError, match=f"has {size:,} bytes, expected 1,024,000: remove it"):
        bring(file, tmp_path)
    assert (tmp_path / "jets.h5").exists()


@pytest.mark.parametrize("data", [DATA, OTHER], ids=["first", "second"])
def test_either_of_two_hashes(tmp_path, data):
    other = hashlib.sha256(OTHER).hexdigest()
    with serving(well(data)) as server:
        file = remote(server, other_hashes=(other,))
        assert bring(file, tmp_path).read_bytes() == data
    assert verify([file], tmp_path)[0].status == "ok"


def test_a_file_without_a_published_hash(tmp_path):
    with serving(well()) as server:
        file = unverified(server)
        path = bring(file, tmp_path)
        assert json.loads((tmp_path / CHECKSUMS).read_text()) == {"jets.h5": f"sha256:{SHA}"}
        assert verify([file], tmp_path)[0].status == "recorded"
        path.unlink()
        server.behave(well(OTHER))
        with pytest.raises(ValueError, match=f"remove its line from {CHECKSUMS}") as error:
            bring(file, tmp_path)
        assert SHA in str(error.value)
        assert left(tmp_path) == {CHECKSUMS}
        path.write_bytes(OTHER)
        check = verify([file], tmp_path)[0]
        assert (check.status, check.expected) == ("wrong hash", f"sha256:{SHA}")


def test_threads_that_fetch_many_files_record_all(tmp_path):
    with serving(well()) as server:
        files = [unverified(server, f"{i}.h5") for i in range(6)]
        threads = [threading.Thread(target=bring, args=(file, tmp_path)) for file in files]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert set(json.loads((tmp_path / CHECKSUMS).read_text())) == {file.name for file in files}


def test_of_two_processes_one_downloads(tmp_path):
    context = multiprocessing.get_context("fork")
    with serving(well()) as server:
        file = remote(server)
        both = [context.Process(target=bring, args=(file, tmp_path)) for _ in range(2)]
        for process in both:
            process.start()
        for process in both:
            process.join(20)
        assert [process.exitcode for process in both] == [0, 0]
        assert len(server.requests) == 1
    assert (tmp_path / "jets.h5").read_bytes() == DATA


def test_the_mirror_replaces_the_host(tmp_path, monkeypatch):
    with serving(well()) as server:
        monkeypatch.setenv(MIRROR, f"{server.url}/zenodo/")
        file = RemoteFile("jets.h5", f"{NOWHERE}/record/1/files/jets.h5", "sha256", SHA)
        assert bring(file, tmp_path).read_bytes() == DATA
        assert server.requests[0][0] == "/zenodo/record/1/files/jets.h5"


@pytest.mark.parametrize("form", ["path", "uri"])
def test_a_mirror_on_disk(tmp_path, monkeypatch, form):
    copies = tmp_path / "my copies"
    (copies / "record/1").mkdir(parents=True)
    monkeypatch.setenv(MIRROR, copies.as_uri() if form == "uri" else str(copies))
    file = RemoteFile("jets.h5", "https://nowhere.invalid/record/1/jets.h5", "sha256", SHA)
    with pytest.raises(FileNotFoundError, match=r"record/1/jets\.h5 is not there, where PYG_JETS"):
        bring(file, tmp_path / "raw")
    (copies / "record/1/jets.h5").write_bytes(DATA)
    assert bring(file, tmp_path / "raw").read_bytes() == DATA
    (copies / "record/1/jets.h5").write_bytes(PAGE)
    with pytest.raises(ValueError, match="web page"):
        bring(file, tmp_path / "again")


def test_addresses():
    url = "https://zenodo.org/record/1/files/a.h5?download=1"
    assert address(url, "") == url
    assert address(url, "http://host:1/x/") == "http://host:1/x/record/1/files/a.h5?download=1"


def test_a_mirror_that_is_no_address(tmp_path, monkeypatch):
    monkeypatch.setenv(MIRROR, "http://")
    with pytest.raises(ValueError, match=f"is no address .*check {MIRROR}"):
        bring(RemoteFile("a.h5", "https://nowhere.invalid/a.h5"), tmp_path)


def test_verify_asks_no_server_and_changes_nothing(tmp_path):
    names = ("good", "bad", "short", "unknown", "missing")
    files = [RemoteFile(n, f"{NOWHERE}/{n}", "sha256", SHA, len(DATA)) for n in names]
    files[3] = RemoteFile("unknown", f"{NOWHERE}/unknown", bytes=len(DATA))
    for name, data in zip(names, (DATA, OTHER, DATA[:9], DATA), strict=False):
        (tmp_path / name).write_bytes(data)
    checks = verify(files, tmp_path)
    assert [check.status for check in checks] == [
        "ok", "wrong hash", "wrong size", "unverified", "missing",
    ]  # fmt: skip
    assert [check.good for check in checks] == [True, False, False, True, False]
    assert SHA in checks[1].expected
    assert hashlib.sha256(OTHER).hexdigest() in checks[1].found
    assert (checks[2].expected, checks[2].found) == ("1024000", "9")
    assert left(tmp_path) == {"good", "bad", "short", "unknown"}


@pytest.mark.parametrize("name", ["../jets.h5", "/jets.h5", "..", "", "a\\b"])
def test_names_that_are_none(name):
    with pytest.raises(ValueError, match="Expected the name of a file"):
        RemoteFile(name, "https://example.org/jets.h5")


def test_a_hash_needs_an_algorithm():
    with pytest.raises(ValueError, match="with an algorithm and a hash, or with neither"):
        RemoteFile("jets.h5", "https://example.org/jets.h5", hash=SHA)


def test_without_requests_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "requests", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'pyg-jets\[data\]'"):
        bring(RemoteFile("jets.h5", "https://nowhere.invalid/jets.h5"), tmp_path)
