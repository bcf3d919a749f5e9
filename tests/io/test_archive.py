"""Archives: whole or not at all, and never outside their folder."""

from __future__ import annotations

import errno
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from pyg_jets.io import archive as module
from pyg_jets.io.archive import unpack

FILES = {"train/a.h5": b"a" * 3000, "train/b.h5": os.urandom(200_000), "notes.txt": b"read me"}


def tar(path: Path, *more: tarfile.TarInfo, files=FILES) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as out:
        folder = tarfile.TarInfo("train")
        folder.type = tarfile.DIRTYPE
        out.addfile(folder)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
        for info in more:
            out.addfile(info)
    return path


def zipped(path: Path, files=FILES) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("train/", b"")
        for name, data in files.items():
            out.writestr(name, data)
    return path


def packed(folder: Path, kind: str) -> Path:
    return zipped(folder / "jets.zip") if kind == "zip" else tar(folder / f"jets.{kind}")


def entry(name: str, type: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type, link
    return info


def content(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != ".unpacked.json")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


KINDS = pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])


@KINDS
def test_all_of_it(tmp_path, kind):
    archive = packed(tmp_path, kind)
    folder = unpack(archive, tmp_path / "out")
    assert content(folder) == FILES
    assert archive.exists()
    assert not [p for p in tmp_path.iterdir() if p.is_dir() and p != folder]


@KINDS
def test_what_is_wanted(tmp_path, kind):
    folder = unpack(packed(tmp_path, kind), tmp_path / "out", wanted=[".h5"])
    assert set(content(folder)) == {"train/a.h5", "train/b.h5"}


def test_unpacked_once(tmp_path, monkeypatch):
    archive = packed(tmp_path, "tar.gz")
    unpack(archive, tmp_path / "out")
    monkeypatch.setattr(module, "_extract_tar", None)
    unpack(archive, tmp_path / "out")


def test_a_folder_of_something_else(tmp_path):
    archive = packed(tmp_path, "tar")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "thesis.tex").write_text("mine")
    with pytest.raises(FileExistsError, match="no note of where it is from"):
        unpack(archive, folder)
    assert (folder / "thesis.tex").exists()
    unpack(archive, tmp_path / "other")
    with pytest.raises(FileExistsError, match="move it away to unpack again"):
        unpack(archive, tmp_path / "other", wanted=[".h5"])


@KINDS
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_cut_archive(tmp_path, kind, share):
    archive = packed(tmp_path, kind)
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ValueError, match=r"jets\..* cut short or broken .*: remove it, and fetch"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert archive.exists()
    archive.write_bytes(whole)
    assert content(unpack(archive, tmp_path / "out")) == FILES


def test_a_tar_cut_between_two_members(tmp_path):
    archive = packed(tmp_path, "tar")
    with tarfile.open(archive) as whole:
        end = whole.getmember("train/b.h5").offset
    archive.write_bytes(archive.read_bytes()[:end])
    with pytest.raises(ValueError, match="its end is missing"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("data", [b"", b"<html>", os.urandom(5000)], ids=["empty", "page", "noise"])
@KINDS
def test_what_is_no_archive(tmp_path, kind, data):
    archive = tmp_path / f"jets.{kind}"
    archive.write_bytes(data)
    with pytest.raises(ValueError, match=r"cut short or broken|cannot be unpacked"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_zip_with_other_bytes(tmp_path):
    archive = packed(tmp_path, "zip")
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)
    with pytest.raises(ValueError, match=r"jets\.zip is cut short or broken"):
        unpack(archive, tmp_path / "out")


UNSAFE = [
    entry("../evil.h5"),
    entry("train/../../evil.h5"),
    entry("link.h5", tarfile.SYMTYPE, "/etc/passwd"),
    entry("link.h5", tarfile.SYMTYPE, "../evil.h5"),
    entry("train/link.h5", tarfile.SYMTYPE, "../../evil.h5"),
    entry("link.h5", tarfile.LNKTYPE, "../evil.h5"),
    entry("device.h5", tarfile.CHRTYPE),
    entry("pipe.h5", tarfile.FIFOTYPE),
]


@pytest.mark.parametrize("member", UNSAFE, ids=lambda m: f"{m.name} {m.linkname}")
@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_members_that_would_do_harm(tmp_path, kind, member):
    archive = tar(tmp_path / f"jets.{kind}", member)
    with pytest.raises(ValueError, match="is not safe: its member") as error:
        unpack(archive, tmp_path / "deep" / "out")
    assert repr(member.name) in str(error.value)
    assert str(archive) in str(error.value)
    assert not (tmp_path / "deep" / "out").exists()
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("name", ["/a.h5", "train/../a.h5", "C:\\a.h5", "..\\a.h5"])
def test_members_of_a_tar_stay_in_the_folder(tmp_path, name):
    folder = unpack(tar(tmp_path / "jets.tar", entry(name), files={}), tmp_path / "deep" / "out")
    assert len(content(folder)) == 1
    assert not Path("/a.h5").exists()
    assert [p.name for p in tmp_path.rglob("*.h5") if folder not in p.parents] == []


@pytest.mark.parametrize("name", ["../evil.h5", "/evil.h5", "a/../../evil.h5"])
def test_members_of_a_zip_stay_in_the_folder(tmp_path, name):
    folder = unpack(zipped(tmp_path / "jets.zip", {name: b"x"}), tmp_path / "deep" / "out")
    assert [p.name for p in folder.rglob("*.h5")] == ["evil.h5"]
    assert len(list(tmp_path.rglob("evil*"))) == 1


@pytest.mark.parametrize("to", ["a.h5", "../../evil"])
def test_links_in_a_zip_become_files_that_lead_nowhere(tmp_path, to):
    archive = zipped(tmp_path / "jets.zip")
    with zipfile.ZipFile(archive, "a") as out:
        info = zipfile.ZipInfo("train/link.h5")
        info.external_attr = 0o120777 << 16
        out.writestr(info, to)
    link = unpack(archive, tmp_path / "out") / "train/link.h5"
    assert not link.is_symlink()
    assert link.read_text() == to


def test_links_inside_become_copies(tmp_path):
    links = (
        entry("train/soft.h5", tarfile.SYMTYPE, "a.h5"),
        entry("hard.h5", tarfile.LNKTYPE, "train/a.h5"),
    )
    folder = unpack(tar(tmp_path / "jets.tar", *links), tmp_path / "out")
    for name in ("train/soft.h5", "hard.h5"):
        assert not (folder / name).is_symlink()
        assert (folder / name).read_bytes() == b"a" * 3000


def test_a_link_that_leads_nowhere(tmp_path):
    archive = tar(tmp_path / "jets.tar", entry("soft.h5", tarfile.SYMTYPE, "nowhere.h5"))
    with pytest.raises(ValueError, match="broken"):
        unpack(archive, tmp_path / "out")


def test_a_file_where_a_folder_should_be(tmp_path):
    archive = tar(tmp_path / "jets.tar", files={"a": b"x", "a/b": b"y"})
    with pytest.raises(ValueError, match="cannot be unpacked"):
        unpack(archive, tmp_path / "out")


def test_nothing_that_is_wanted(tmp_path):
    with pytest.raises(ValueError, match=r"expected a file that ends in \.root or \.h6"):
        unpack(packed(tmp_path, "tar"), tmp_path / "out", wanted=[".root", ".h6"])
    assert not (tmp_path / "out").exists()


def test_no_archive(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"jets\.tar is not there"):
        unpack(tmp_path / "jets.tar", tmp_path / "out")


def test_a_full_disk(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_extract_tar", full)
    with pytest.raises(OSError, match="The disk is full: make room to unpack"):
        unpack(packed(tmp_path, "tar"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bar_for_large_archives(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "_LARGE", 10)
    unpack(packed(tmp_path, "tar.gz"), tmp_path / "out")
    assert "unpack jets.tar.gz" in capsys.readouterr().err
