"""Two processes that ask for the same data set at once, and get one good copy."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from tests.stress import fork
from tests.stress.kills import leftovers

#: Rounds of a full run.
COUNT = 50


def _write_raw(folder: Path) -> None:
    """Files in the layout of top tagging, and a server's copy of them."""
    from tests.datasets.layouts.all import LAYOUTS
    from tests.stress.formats import some_jets

    jets = some_jets(40)
    mass = np.zeros((len(jets.particles), 1), np.float32)
    from pyg_jets import JetArray

    jets = JetArray(
        np.hstack([jets.particles, mass]), (*jets.columns, "mass"), jets.ptr, jets.labels
    )
    LAYOUTS["top_tagging"].write(folder, jets)


def _serve(raw: Path, address: Path, requests: Path) -> None:
    """Serve files until the end of the process, and note what was asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.split("?")[0].split("/")[-1]
            with requests.open("a") as notes:
                notes.write(name + "\n")
            content = (raw / name).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", '"one"')
            self.end_headers()
            for start in range(0, len(content), 4096):
                self.wfile.write(content[start : start + 4096])
                time.sleep(0.001)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address.with_suffix(".part").write_text(f"http://127.0.0.1:{server.server_address[1]}")
    os.replace(address.with_suffix(".part"), address)
    server.serve_forever()


def _content(dataset: Any) -> str:
    from pyg_jets.io.checksums import crc32

    names = sorted(dataset._data.to_dict())
    return f"{len(dataset)} {[crc32(np.ascontiguousarray(dataset._data[n])) for n in names]}"


def _fetch(root: Path, url: str, report: Path) -> None:
    from pyg_jets.datasets import TopTagging

    os.environ["PYG_JETS_MIRROR"] = url
    report.write_text(_content(TopTagging(root, split="train")))


def _generate(root: Path, url: str, report: Path) -> None:
    from pyg_jets.datasets import PythiaJets

    jets = PythiaJets(root, processes=("w",), n_jets=8, events_per_chunk=20, workers=1)
    report.write_text(_content(jets))


WAYS: dict[str, Callable[[Path, str, Path], None]] = {
    "download and conversion": _fetch,
    "generation": _generate,
}


def rounds(
    name: str, count: int, seed: int, folder: Path, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Let two processes make the same data set, ``count`` times."""
    started = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    log, way = folder / "log.txt", WAYS[name]
    fork.run(_write_raw, folder / "server", log=log)
    address, requests = folder / "address", folder / "requests.txt"
    server = fork.start(_serve, folder / "server/raw", address, requests, log=log)
    failures: list[str] = []
    try:
        while not address.exists():
            if server.ended():
                raise RuntimeError(f"the server ended: {log.read_text()}")
            time.sleep(0.01)
        url = address.read_text()
        fork.run(way, folder / "alone", url, folder / "alone.txt", log=log)
        expected = (folder / "alone.txt").read_text()
        rng = np.random.default_rng([seed, len(name)])
        for number in range(count):
            root = folder / f"round-{number}"
            requests.write_text("")
            reports = [folder / f"{number}-{i}.txt" for i in range(2)]
            first = fork.start(way, root, url, reports[0], log=log)
            time.sleep(float(rng.uniform(0, 0.3)))
            second = fork.start(way, root, url, reports[1], log=log)
            said = [f"{c} ended with {e}" for c in (first, second) if not (e := c.wait()).well]
            said += [f"{r.name} has other jets" for r in reports
                     if r.exists() and r.read_text() != expected]  # fmt: skip
            copies = [path for path in (root / "processed").iterdir() if path.is_dir()]
            said += [] if len(copies) == 1 else [f"{len(copies)} copies"]
            twice = [n for n, times in Counter(requests.read_text().split()).items() if times > 1]
            said += [f"{n} was downloaded twice" for n in twice]
            said += [f"{n} was left behind" for n in leftovers(root)]
            if said:
                failures.append(f"round {number}: {'; '.join(said[:5])}")
                tell(f"{name}: {failures[-1]}")
            else:
                shutil.rmtree(root)
            if number % 10 == 9:
                tell(f"{name}: {number + 1} of {count} rounds, {len(failures)} failures")
    finally:
        server.kill()
        os.waitpid(server.pid, 0)
    return {
        "what": name,
        "count": count,
        "failures": failures,
        "seconds": round(time.monotonic() - started, 1),
    }
