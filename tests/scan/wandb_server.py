"""As much of a W&B server as ``wandb sync`` needs: it takes a run and keeps what was sent."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_BUCKET = {
    "id": "QQ==", "name": "run", "displayName": "run", "description": "", "config": "{}",
    "sweepName": None, "historyLineCount": 0, "eventsLineCount": 0, "logLineCount": 0,
    "history": "[]", "events": "[]", "tags": [], "wandbConfig": "{}",
    "project": {"id": "p", "name": "pyg_jets", "entity": {"id": "e", "name": "me"}},
}  # fmt: skip
_ANSWER = {"data": {
    "upsertBucket": {"bucket": _BUCKET, "inserted": True},
    "viewer": {"id": "v", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}},
    "serverInfo": {"cliVersionInfo": {}, "latestLocalVersionInfo": None},
    "model": {"bucket": None},
    "createRunFiles": {"runID": "QQ==", "uploadHeaders": [], "files": []},
}}  # fmt: skip


@contextmanager
def wandb_server() -> Iterator[tuple[str, list[dict], list[int]]]:
    """The address of a server, the rows of history and the exit codes it was sent so far."""
    history: list[dict] = []
    exits: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path.endswith("/file_stream"):
                stream = json.loads(body)
                sent = stream.get("files", {}).get("wandb-history.jsonl", {})
                history.extend(json.loads(row) for row in sent.get("content", []))
                exits.extend(code for name, code in stream.items() if name == "exitcode")
            answer = json.dumps(_ANSWER if self.path == "/graphql" else {}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_PUT = do_GET = do_POST

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", history, exits
    finally:
        server.shutdown()
        server.server_close()
