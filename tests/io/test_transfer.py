"""A download from a real server that breaks off, stalls, refuses or lies."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from pyg_jets.io import transfer
from pyg_jets.io.download import fetch, part_size
from pyg_jets.io.remote import MIRROR
from pyg_jets.io.transfer import RetryPolicy
from tests.io.server import (
    DATA,
    IMPATIENT,
    OTHER,
    PAGE,
    QUICK,
    bring,
    cut_at,
    in_turn,
    left,
    remote,
    serving,
    stall_at,
    unverified,
    well,
)

pytest.importorskip("requests")


@pytest.fixture(autouse=True)
def no_mirror(monkeypatch):
    monkeypatch.delenv(MIRROR, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_a_broken_download_is_continued(tmp_path):
    with serving(in_turn(cut_at(300_000), well())) as server:
        assert bring(remote(server), tmp_path).read_bytes() == DATA
        _, again = server.requests
        start = int(again[1]["Range"].removeprefix("bytes=").removesuffix("-"))
        assert 200_000 < start <= 300_000
        assert again[1]["If-Range"] == '"one"'
    assert left(tmp_path) == {"jets.h5"}


def test_a_download_is_continued_in_a_later_run(tmp_path):
    with serving(cut_at(300_000)) as server:
        with pytest.raises(ConnectionError, match="3 attempts in a row without progress") as error:
            bring(remote(server), tmp_path)
        assert "bytes are kept" in str(error.value)
        assert part_size(remote(server), tmp_path) == 300_000
        assert not (tmp_path / "jets.h5").exists()
        server.requests.clear()
        server.behave(well())
        assert bring(remote(server), tmp_path).read_bytes() == DATA
        assert "Range" in server.requests[0][1]


def test_steady_progress_is_not_given_up(tmp_path):
    """A line that breaks more often than there are attempts, but never without bringing more."""
    step = len(DATA) // 8 + 1

    def behave(request):
        asked = request.headers.get("Range", "bytes=0-")
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        content_range = f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"
        body = DATA[start : start + step]
        status = 206 if "Range" in request.headers else 200
        request.reply(status, body, len(DATA) - start, Content_Range=content_range, ETag='"one"')

    with serving(behave) as server:
        assert bring(remote(server), tmp_path).read_bytes() == DATA
        assert len(server.requests) > QUICK.attempts


def test_a_server_that_ignores_ranges_starts_afresh(tmp_path):
    whole = lambda request: request.reply(200, DATA, ETag='"one"')  # noqa: E731
    with serving(in_turn(cut_at(300_000), whole)) as server:
        assert bring(remote(server), tmp_path).read_bytes() == DATA
        assert "Range" in server.requests[1][1]


def test_a_server_without_validators_starts_afresh(tmp_path):
    cut = lambda request: request.reply(200, DATA[:300_000], len(DATA))  # noqa: E731
    with serving(in_turn(cut, well())) as server:
        assert bring(remote(server), tmp_path).read_bytes() == DATA
        assert "Range" not in server.requests[1][1]


@pytest.mark.parametrize(
    ("headers", "condition"),
    [
        ({"ETag": 'W/"weak"', "Last-Modified": "Wed, 01 Jan 2020 00:00:00 GMT"}, "Wed, 01 Jan"),
        ({"Last-Modified": "Wed, 01 Jan 2020 00:00:00 GMT"}, "Wed, 01 Jan"),
        ({"ETag": 'W/"weak"'}, None),
    ],
)
def test_what_names_a_file_for_a_range(tmp_path, headers, condition):
    named = {key.replace("-", "_"): value for key, value in headers.items()}
    cut = lambda request: request.reply(200, DATA[:300_000], len(DATA), **named)  # noqa: E731
    with serving(in_turn(cut, well())) as server:
        bring(remote(server), tmp_path)
        asked = server.requests[1][1].get("If-Range")
        assert asked is None if condition is None else asked.startswith(condition)


def test_a_file_that_changed_between_parts_starts_afresh(tmp_path):
    old = cut_at(300_000, '"old"', OTHER)
    with serving(in_turn(old, well())) as server:
        assert bring(remote(server), tmp_path).read_bytes() == DATA
        assert server.requests[1][1]["If-Range"] == '"old"'


def test_another_range_than_asked_for_starts_afresh(tmp_path):
    def shifted(request):
        request.reply(206, DATA[5:], Content_Range=f"bytes 5-{len(DATA) - 1}/{len(DATA)}")

    with serving(in_turn(cut_at(300_000), shifted, well())) as server:
        assert bring(remote(server), tmp_path).read_bytes() == DATA


@pytest.mark.parametrize("have", [len(DATA), len(DATA) + 7], ids=["complete", "too long"])
def test_a_part_with_nothing_left_to_send(tmp_path, have):
    with serving(well()) as server:
        file = remote(server)
        part = tmp_path / "jets.h5.part"
        part.write_bytes((DATA + bytes(7))[:have])
        notes = {"url": file.url, "validator": '"one"'}
        part.with_name("jets.h5.part.json").write_text(json.dumps(notes))
        assert bring(file, tmp_path).read_bytes() == DATA
        assert len(server.requests) == (1 if have == len(DATA) else 2)
    assert left(tmp_path) == {"jets.h5"}


def test_notes_that_cannot_be_read_start_afresh(tmp_path):
    (tmp_path / "jets.h5.part").write_bytes(OTHER[:1000])
    (tmp_path / "jets.h5.part.json").write_text("{")
    with serving(well()) as server:
        assert bring(remote(server), tmp_path).read_bytes() == DATA


def test_a_server_that_stalls(tmp_path):
    with serving(in_turn(stall_at(300_000, 2.0), well())) as server:
        assert bring(remote(server), tmp_path, IMPATIENT).read_bytes() == DATA


def test_a_server_that_stalls_for_ever_is_given_up(tmp_path):
    with serving(stall_at(0, 2.0)) as server, pytest.raises(ConnectionError, match="timed out"):
        bring(remote(server), tmp_path, IMPATIENT)


@pytest.mark.parametrize(("status", "kind"), [(404, FileNotFoundError), (403, ConnectionError)])
def test_refusals_are_not_repeated(tmp_path, status, kind):
    with serving(lambda request: request.reply(status)) as server:
        with pytest.raises(kind, match=f"answers {status}") as error:
            bring(remote(server), tmp_path)
        assert remote(server).url in str(error.value)
        assert MIRROR in str(error.value)
        assert len(server.requests) == 1
    assert not left(tmp_path)


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_what_may_pass_is_repeated(tmp_path, status):
    with serving(in_turn(lambda request: request.reply(status), well())) as server:
        assert bring(remote(server), tmp_path).read_bytes() == DATA
        assert len(server.requests) == 2


def test_the_wait_that_a_server_asks_for(tmp_path, monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(transfer.time, "sleep", waits.append)
    date = "Wed, 01 Jan 2020 00:00:00 GMT"
    orders = [
        lambda request, after=after: request.reply(429, Retry_After=after)
        for after in ("7", date, "soon")
    ]
    with serving(in_turn(*orders, well())) as server:
        bring(remote(server), tmp_path, RetryPolicy(attempts=5, first_wait=1.0))
    assert waits == [7.0, 0.0, 4.0]


def test_too_long_a_wait_is_said_and_not_waited(tmp_path):
    order = lambda request: request.reply(503, Retry_After="4000")  # noqa: E731
    with serving(order) as server, pytest.raises(ConnectionError, match="come back in 4000 s"):
        bring(remote(server), tmp_path)


def test_waits_double(tmp_path, monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(transfer.time, "sleep", waits.append)
    with serving(lambda request: request.reply(500)) as server, pytest.raises(ConnectionError):
        bring(remote(server), tmp_path, RetryPolicy(attempts=5, first_wait=1, longest_wait=5))
    assert waits == [1, 2, 4, 5]


def test_waits_are_said(tmp_path, capsys):
    with serving(in_turn(lambda request: request.reply(503), well())) as server:
        fetch([remote(server)], tmp_path, retry=QUICK)
    stderr = capsys.readouterr().err
    assert "jets.h5: the server answers 503 Service Unavailable; trying again in 0 s" in stderr
    assert "jets.h5: 100%" in stderr


def test_no_server(tmp_path):
    with serving(well()) as server:
        file = remote(server)
    with pytest.raises(ConnectionError, match="could not be fetched after 3 attempts"):
        bring(file, tmp_path)


@pytest.mark.parametrize(
    ("body", "kind"),
    [(PAGE, "text/html; charset=utf-8"), (PAGE, "application/octet-stream"), (b"x", "text/html")],
)
def test_a_web_page_instead_of_data(tmp_path, body, kind):
    page = lambda request: request.reply(200, body, Content_Type=kind)  # noqa: E731
    with serving(page) as server:
        with pytest.raises(ValueError, match=r"sends a web page \(HTML\) instead of jets.h5"):
            bring(unverified(server), tmp_path)
        assert len(server.requests) == 1
        assert not left(tmp_path)
        assert bring(unverified(server, "about.html"), tmp_path).read_bytes() == body


def test_a_web_page_does_not_cost_the_part(tmp_path):
    page = lambda request: request.reply(200, PAGE, Content_Type="text/html")  # noqa: E731
    with serving(in_turn(cut_at(300_000), page)) as server:
        with pytest.raises(ValueError, match="web page"):
            bring(remote(server), tmp_path)
        assert part_size(remote(server), tmp_path) == 300_000


def test_bytes_are_kept_as_they_are_on_the_server(tmp_path):
    """Some servers declare a .gz as packed on the way; it must not be unpacked."""
    with serving(well(Content_Encoding="gzip")) as server:
        assert bring(remote(server, "jets.tar.gz"), tmp_path).read_bytes() == DATA


def test_a_full_disk(tmp_path, monkeypatch):
    class Full:
        def __init__(self, stream):
            self.stream = stream

        def __getattr__(self, name):
            return getattr(self.stream, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.stream.close()

        def write(self, block):
            if self.stream.tell() > 200_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.stream.write(block)

    real = Path.open

    def opened(path, *args, **kwargs):
        stream = real(path, *args, **kwargs)
        return Full(stream) if path.suffix == ".part" else stream

    monkeypatch.setattr(Path, "open", opened)
    with serving(well()) as server:
        with pytest.raises(OSError, match=r"The disk is full, at .* bytes of .*: make room"):
            bring(remote(server), tmp_path)
        assert part_size(remote(server), tmp_path) > 200_000
        monkeypatch.undo()
        assert bring(remote(server), tmp_path).read_bytes() == DATA
        assert "Range" in server.requests[-1][1]
