"""A W&B server on this machine: the part of its HTTP interface that W&B's own process calls.

It keeps runs as the real one does (history by line, the latest summary, config, files, exit code),
answers a run that is resumed with what it has of it, and can be taken down and put up again.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENTITY = "team"


@pytest.fixture
def start(tmp_path):
    """Start a program of the project without a W&B account; it prints into two files."""
    processes = []

    def started(*command, **env):
        # W&B's service of the tests is not that of the program, either.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
        # Not through pipes: W&B's process outlives a kill for a while, and would keep them open.
        with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
            process = subprocess.Popen(
                [sys.executable, *map(str, command)],
                cwd=ROOT,
                env=inherited | {"NETRC": os.devnull} | env,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        processes.append(process)
        return process

    yield started
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def call(start, tmp_path):
    """Run a program of the project to its end; return its code, and what it prints."""

    def called(*command, **env):
        code = start(*command, **env).wait(timeout=300)
        return code, *((tmp_path / name).read_text("utf-8") for name in ("out", "err"))

    return called


@pytest.fixture(scope="session")
def script():
    """Import a script, which is on no path."""

    def imported(name):
        path = ROOT / "scripts" / name
        spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return imported


@dataclass
class ServedRun:
    """What the server has of a run.

    Attributes:
        upsert: the variables of the mutations that created and updated it.
        history: its lines, in order.
        summary: the latest.
        files: uploaded, those of artifacts included, by path.
        exit_code: of its end; ``None`` while it goes on.
    """

    upsert: dict = field(default_factory=dict)
    history: list = field(default_factory=list)
    summary: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)
    exit_code: int | None = None

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
        runs: by W&B's id.
        asked: the GraphQL operations that were asked of it, in order.
        is_down: whether it hangs up on every call, or keeps silent.
        is_silent: which of the two.
        dies_after: number of history lines, of all runs together, after which it is down.
    """

    def __init__(self):
        self.runs = {}
        self.asked = []
        self.is_down = False
        self.is_silent = False
        self.dies_after = float("inf")
        self.url = ""
        self.lock = threading.Lock()
        self.is_over = threading.Event()

    def answer(self, query, variables):
        """Answer a GraphQL query with the fields that W&B's process reads."""
        operation = query.split("(")[0].split("{")[0].split()[-1]
        self.asked.append(operation)
        answers = {
            "Viewer": self._viewer,
            "RunResumeStatus": self._resume_status,
            "UpsertBucket": self._upsert,
            "CreateRunFiles": self._run_files,
            "ArtifactType": lambda _: {"project": {"artifact": None}},
            "CreateArtifact": self._artifact,
            "CreateArtifactManifest": self._artifact_manifest,
            "CreateArtifactFiles": self._artifact_files,
            "CommitArtifact": lambda v: {"commitArtifact": {"artifact": {"id": v["artifactID"]}}},
        }
        return answers[operation](variables) if operation in answers else {}

    def _viewer(self, _):
        flags = json.dumps({"code_saving_enabled": False})
        return {"viewer": {"id": "v", "entity": ENTITY, "username": ENTITY, "flags": flags}}

    def _resume_status(self, variables):
        name = variables["name"]
        bucket = self._bucket(name) if name in self.runs else None
        return {"model": {"id": "p", "name": variables["project"], "bucket": bucket}}

    def _upsert(self, variables):
        name = variables["name"]
        is_new = name not in self.runs
        run = self.runs.setdefault(name, ServedRun())
        run.upsert |= {k: v for k, v in variables.items() if v is not None}
        return {"upsertBucket": {"bucket": self._bucket(name), "inserted": is_new}}

    def _bucket(self, name):
        run = self.runs[name]
        return {
            "id": name,
            "name": name,
            "displayName": run.upsert.get("displayName"),
            "project": {
                "id": "p",
                "name": run.upsert["project"],
                "entity": {"id": "e", "name": ENTITY},
            },
            "config": run.upsert["config"],
            "summaryMetrics": json.dumps(run.summary),
            "tags": run.upsert.get("tags", []),
            "historyLineCount": len(run.history),
            "historyTail": json.dumps([json.dumps(line) for line in run.history[-1:]]),
            "eventsLineCount": 0,
            "eventsTail": "[]",
            "logLineCount": 0,
            "wandbConfig": '{"t": 1}',
        }

    def _run_files(self, variables):
        name = variables["run"]
        files = [{"name": file, "uploadUrl": self._put(name, file)} for file in variables["files"]]
        return {"createRunFiles": {"runID": name, "uploadHeaders": [], "files": files}}

    def _artifact(self, variables):
        name = variables["input"]["runName"]
        sequence = {"latestArtifact": None}
        artifact = {"id": f"artifact-of-{name}", "state": "PENDING", "artifactSequence": sequence}
        return {"createArtifact": {"artifact": artifact}}

    def _artifact_manifest(self, variables):
        put = self._put(variables["runName"], variables["name"])
        file = {"id": "f", "uploadUrl": put, "uploadHeaders": []}
        return {"createArtifactManifest": {"artifactManifest": {"id": "m", "file": file}}}

    def _artifact_files(self, variables):
        nodes = []
        for file in variables["input"]["artifactFiles"]:
            artifact, path = file["artifactID"], file["name"]
            nodes.append(
                {
                    "storagePath": path,
                    "uploadUrl": self._put(artifact.removeprefix("artifact-of-"), path),
                    "uploadHeaders": [],
                    "uploadMultipartUrls": None,
                    "artifact": {"id": artifact},
                }
            )
        return {"createArtifactFiles": {"files": {"edges": [{"node": node} for node in nodes]}}}

    def _put(self, name, file):
        return f"{self.url}/{name}/{file}"

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
        if sum(len(run.history) for run in self.runs.values()) >= self.dies_after:
            self.is_down = True
        return {"exitcode": None, "limits": {}}


@pytest.fixture
def wandb_server():
    """Serve W&B on a free port of this machine."""
    state = WandbServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self._body()
            if state.is_down:
                if state.is_silent:
                    state.is_over.wait()
                self.close_connection = True
                return
            with state.lock:
                *_, name, what = self.path.split("/")
                if what == "graphql":
                    asked = json.loads(body)
                    answer = {"data": state.answer(asked["query"], asked.get("variables") or {})}
                elif what == "file_stream":
                    answer = state.stream(name, json.loads(body))
                else:  # W&B's reports on itself
                    answer = {}
            self._reply(json.dumps(answer).encode())

        def do_PUT(self):
            _, name, file = self.path.split("/", 2)
            body = self._body()
            with state.lock:
                state.runs[name].files[file] = body
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
    state.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield state
    state.is_over.set()
    server.shutdown()
    server.server_close()
