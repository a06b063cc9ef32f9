"""A W&B server on this machine: the part of its HTTP interface that W&B's own process calls.

It keeps runs as the real one does (history by line, the latest summary, config, exit code), answers
a resumed run with what it has of it, and can be taken down and put up again.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

ENTITY = "team"


@dataclass
class ServedRun:
    """What the server has of a run.

    Attributes:
        upsert: the variables of the mutation that created or updated it.
        history: its lines, in order.
        summary: the latest.
        exit_code: of its end; ``None`` while it goes on.
        files: uploaded.
    """

    upsert: dict = field(default_factory=dict)
    history: list[dict] = field(default_factory=list)
    summary: dict = field(default_factory=dict)
    exit_code: int | None = None
    files: dict[str, bytes] = field(default_factory=dict)

    def config(self):
        config = json.loads(self.upsert["config"])
        return {name: entry["value"] for name, entry in config.items() if name != "_wandb"}

    def rows(self):
        """Return the history without what W&B adds; each row has W&B's step and our own."""
        added = ("_runtime", "_timestamp", "_step")
        assert [line["_step"] for line in self.history] == [line["n"] for line in self.history]
        return [{k: v for k, v in line.items() if k not in added} for line in self.history]


class WandbServer:
    """The server's state, and what may go wrong with it.

    Attributes:
        runs: by name.
        is_down: whether it hangs up on every call.
        dies_after: number of history lines that it takes of all runs together before it is down.
        asked: the operations that were asked of it, in order.
    """

    def __init__(self):
        self.runs: dict[str, ServedRun] = {}
        self.is_down = False
        self.dies_after = float("inf")
        self.asked: list[str] = []
        self.url = ""
        self.lock = threading.Lock()

    def n_rows(self):
        return sum(len(run.history) for run in self.runs.values())

    def answer(self, query, variables):
        """Answer a GraphQL query with the fields that W&B's process reads."""
        operation = query.split("(")[0].split("{")[0].split()[-1]
        self.asked.append(operation)
        name = variables.get("name") or variables.get("run")
        if operation == "UpsertBucket":
            fresh = name not in self.runs
            run = self.runs.setdefault(name, ServedRun())
            run.upsert |= {k: v for k, v in variables.items() if v is not None}
            return {"upsertBucket": {"bucket": self._bucket(name), "inserted": fresh}}
        if operation == "RunResumeStatus":
            known = self._bucket(name) if name in self.runs else None
            return {"model": {"id": "p", "name": variables["project"], "bucket": known}}
        if operation == "CreateRunFiles":
            put = f"{self.url}/put/{name}"
            files = [{"name": file, "uploadUrl": f"{put}/{file}"} for file in variables["files"]]
            return {"createRunFiles": {"runID": name, "uploadHeaders": [], "files": files}}
        if operation == "Viewer":
            flags = json.dumps({"code_saving_enabled": False})
            return {"viewer": {"id": "v", "entity": ENTITY, "username": ENTITY, "flags": flags}}
        return {}

    def _bucket(self, name):
        run = self.runs[name]
        tail = [json.dumps(line) for line in run.history[-1:]]
        project = {"id": "p", "name": run.upsert["project"], "entity": {"id": "e", "name": ENTITY}}
        return {
            "id": name,
            "name": name,
            "displayName": run.upsert.get("displayName"),
            "projectId": 1,
            "project": project,
            "config": run.upsert.get("config", "{}"),
            "summaryMetrics": json.dumps(run.summary),
            "tags": run.upsert.get("tags", []),
            "historyLineCount": len(run.history),
            "historyTail": json.dumps(tail),
            "eventsLineCount": 0,
            "eventsTail": "[]",
            "logLineCount": 0,
            "wandbConfig": '{"t": 1}',
            "sweepName": None,
        }

    def stream(self, name, body):
        """Take lines of a run's files, each at its place."""
        run = self.runs[name]
        for file, part in (body.get("files") or {}).items():
            lines = [json.loads(line) for line in part["content"]]
            if file == "wandb-history.jsonl":
                run.history[part["offset"] :] = lines
            elif file == "wandb-summary.json":
                run.summary = lines[-1]
        if body.get("complete"):
            run.exit_code = body.get("exitcode")
        self.is_down = self.is_down or self.n_rows() >= self.dies_after
        return {"exitcode": None, "limits": {}}


@pytest.fixture
def wandb_server():
    """Serve W&B on a free port of this machine."""
    state = WandbServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self._body()
            with state.lock:
                if state.is_down:
                    self.close_connection = True
                    return
                if self.path == "/graphql":
                    said = json.loads(body)
                    answer = {"data": state.answer(said["query"], said.get("variables") or {})}
                else:
                    *_, name, what = self.path.split("/")
                    streams = what == "file_stream"  # not W&B's reports on itself
                    answer = state.stream(name, json.loads(body)) if streams else {}
            self._reply(json.dumps(answer).encode())

        def do_PUT(self):
            _, _, name, *file = self.path.split("/")
            body = self._body()
            with state.lock:
                state.runs[name].files["/".join(file)] = body
            self._reply(b"")

        def _body(self):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def _reply(self, content):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
