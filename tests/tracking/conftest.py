"""A W&B server on this machine: the part of its HTTP interface that W&B's own process calls.

It keeps runs as the real one does (history by line, the latest summary, config, files, exit code),
answers a run that is resumed with what it has of it, and can be taken down and put up again.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import wandb

from adamct.runs.runner import train_run
from adamct.runs.store import RunFolder
from adamct.tracking import live_sync
from adamct.tracking.content import rows, run_config, run_identity
from adamct.tracking.live_sync import tracked

ROOT = Path(__file__).parents[2]
ENTITY = "team"


@pytest.fixture(scope="module", autouse=True)
def no_account():
    """Keep an account of the person who tests, and a server that answers, out of it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("WANDB_")]:
            patch.delenv(name)
        patch.setenv("NETRC", os.devnull)
        patch.setenv("WANDB_MODE", "offline")
        patch.setattr(live_sync, "END_WAIT_S", 240.0)  # on a busy machine, too
        wandb.teardown()  # its settings are read once a session
        yield
        wandb.teardown()


def own():
    """Return the environment of a program: W&B's service of the tests is not that of another."""
    return {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}


@pytest.fixture
def call():
    """Run a program of the project to its end; return its code, and what it prints."""

    def called(*command):
        command = [sys.executable, *command]
        done = subprocess.run(command, cwd=ROOT, env=own(), capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    return called


# Hangs in step 45 of its second run. To its checkpoints, 40 steps are a minute.
HANGING = """
import itertools, runpy, sys, time
from adamct.runs.runner import train_run
from adamct.train import Training
train_run.__kwdefaults__["clock"] = itertools.count(step=1.5).__next__
step, begun = Training.step, []
def hanging_step(training, n):
    begun.append(n)
    while begun.count(45) == 2:
        time.sleep(1.0)
    return step(training, n)
Training.step = hanging_step
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def kill_in_second_run():
    """Start a sweep; kill it, with everything that belongs to it, in step 45 of its second run."""

    def killed(command, when):
        command = [sys.executable, "-c", HANGING, *command]
        process = subprocess.Popen(command, cwd=ROOT, env=own(), start_new_session=True)
        patience = time.monotonic() + 120
        try:
            while not when():
                assert process.poll() is None
                assert time.monotonic() < patience
                time.sleep(0.05)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL

    return killed


@pytest.fixture
def train():
    """Train a sweep in this process, and mirror it as the command does."""

    def trained(sweep):
        with tracked(sweep):
            for spec in sweep.runs.values():
                train_run(spec, sweep.execution, runs_dir=sweep.runs_dir)

    return trained


@pytest.fixture
def assert_mirrored():
    """Assert that W&B has every step of every run once, with the values of the records."""

    def asserted(sweep, read):
        for point in sweep:
            identity, folder = run_identity(point), RunFolder.of(point.spec, sweep.runs_dir)
            history, summary, config, about, exit_codes = read(identity.id)
            lines, outcome = folder.lines(), folder.outcome()
            steps = [item.pop("_step") for item in history]
            assert steps == [item["n"] for item in history] == [line["n"] for line in lines]
            assert history == rows(point.spec, lines)
            for mirrored, line in zip(history, lines, strict=True):
                assert mirrored.get("train_loss") == line.get("train_loss")
            assert (summary["status"], summary["n_recorded"]) == (outcome.status, outcome.step)
            assert config.items() >= run_config(point).items()
            assert about == (identity.group, identity.job_type, identity.name, set(identity.tags))
            assert exit_codes == [0]

    return asserted


@dataclass
class ServedRun:
    """What the server has of a run.

    Attributes:
        upsert: the variables of the mutations that created and updated it.
        history: its lines, in order.
        summary: the latest.
        files: uploaded, those of artifacts included, by path.
        exit_codes: of its ends; none while it goes on.
    """

    upsert: dict = field(default_factory=dict)
    history: list = field(default_factory=list)
    summary: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)
    exit_codes: list = field(default_factory=list)


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

    def read(self, name):
        """Return what it has of a run: history, summary, config, what is said of it, exit codes."""
        run = self.runs[name]
        added = ("_runtime", "_timestamp")
        history = [{k: line[k] for k in line if k not in added} for line in run.history]
        config = {k: v.get("value") for k, v in json.loads(run.upsert["config"]).items()}
        about = [run.upsert[key] for key in ("groupName", "jobType", "displayName")]
        tags = set(run.upsert["tags"])
        return history, run.summary, config, (*about, tags), run.exit_codes[-1:]

    def answer(self, query, variables):
        """Answer a GraphQL query with the fields that W&B's process reads."""
        operation = query.split("(")[0].split("{")[0].split()[-1]
        self.asked.append(operation)
        method = getattr(self, operation, None)
        return method(variables) if method else {}

    def Viewer(self, _):
        flags = json.dumps({"code_saving_enabled": False})
        return {"viewer": {"id": "v", "entity": ENTITY, "username": ENTITY, "flags": flags}}

    def RunResumeStatus(self, variables):
        name = variables["name"]
        bucket = self._bucket(name) if name in self.runs else None
        return {"model": {"id": "p", "name": variables["project"], "bucket": bucket}}

    def UpsertBucket(self, variables):
        name = variables["name"]
        is_new = name not in self.runs
        run = self.runs.setdefault(name, ServedRun())
        run.upsert |= {k: v for k, v in variables.items() if v is not None}
        return {"upsertBucket": {"bucket": self._bucket(name), "inserted": is_new}}

    def CreateRunFiles(self, variables):
        name = variables["run"]
        files = [{"name": file, "uploadUrl": self._put(name, file)} for file in variables["files"]]
        return {"createRunFiles": {"runID": name, "uploadHeaders": [], "files": files}}

    def ArtifactType(self, _):
        return {"project": {"artifact": None}}

    def CreateArtifact(self, variables):
        name = variables["input"]["runName"]
        sequence = {"latestArtifact": None}
        artifact = {"id": f"artifact-of-{name}", "state": "PENDING", "artifactSequence": sequence}
        return {"createArtifact": {"artifact": artifact}}

    def CreateArtifactManifest(self, variables):
        put = self._put(variables["runName"], variables["name"])
        file = {"id": "f", "uploadUrl": put, "uploadHeaders": []}
        return {"createArtifactManifest": {"artifactManifest": {"id": "m", "file": file}}}

    def CreateArtifactFiles(self, variables):
        edges = []
        for file in variables["input"]["artifactFiles"]:
            artifact, path = file["artifactID"], file["name"]
            put = self._put(artifact.removeprefix("artifact-of-"), path)
            node = {"storagePath": path, "artifact": {"id": artifact}, "uploadUrl": put}
            edges.append({"node": node | {"uploadHeaders": [], "uploadMultipartUrls": None}})
        return {"createArtifactFiles": {"files": {"edges": edges}}}

    def CommitArtifact(self, variables):
        return {"commitArtifact": {"artifact": {"id": variables["artifactID"]}}}

    def _bucket(self, name):
        run = self.runs[name]
        entity = {"id": "e", "name": ENTITY}
        return {
            "id": name,
            "name": name,
            "displayName": run.upsert.get("displayName"),
            "project": {"id": "p", "name": run.upsert["project"], "entity": entity},
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
            run.exit_codes.append(body.get("exitcode"))
        if sum(len(run.history) for run in self.runs.values()) >= self.dies_after:
            self.is_down = True
        return {"exitcode": None, "limits": {}}


class Handler(BaseHTTPRequestHandler):
    """Hands to the server's state what is asked over HTTP."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body, state = self._body(), self.server.state
        if state.is_down:
            if state.is_silent:
                state.is_over.wait()
            self.close_connection = True
            return
        answer = {}  # to W&B's reports on itself
        with state.lock:
            *_, name, what = self.path.split("/")
            if what == "graphql":
                asked = json.loads(body)
                answer = {"data": state.answer(asked["query"], asked.get("variables") or {})}
            elif what == "file_stream":
                answer = state.stream(name, json.loads(body))
        self._reply(json.dumps(answer).encode())

    def do_PUT(self):
        _, name, file = self.path.split("/", 2)
        self.server.state.runs[name].files[file] = self._body()
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


@pytest.fixture
def wandb_server(monkeypatch):
    """Serve W&B on a free port of this machine, where every program is logged in."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.state = state = WandbServer()
    state.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("WANDB_BASE_URL", state.url)
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL", "1")  # seconds; 15 otherwise
    wandb.teardown()
    yield state
    wandb.teardown()
    state.is_over.set()
    server.shutdown()
    server.server_close()
