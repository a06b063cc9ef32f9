"""The mirror online: W&B's real process, in front of a server on this machine."""

import json
from typing import get_args

import pytest
from matplotlib.figure import Figure

from adamct.claims import Kind, Status, Verdict
from adamct.config.compose import compose_sweep
from adamct.plotting.rendered import Rendered
from adamct.runs.store import RunFolder
from adamct.tracking.content import run_identity
from adamct.tracking.figures import mirror_figure

SWEEP = ["experiment=max_update_normal_curve", "scale=smoke", "point=0,1", "n_steps=60"]
SWEEP += ["execution.checkpoint_minutes=1", "execution.flush_every=10"]
SWEEP += ["tracker=wandb", "tracker.mode=online", "tracker.interval=0.2"]
IMPATIENT = ["tracker.init_timeout=3", "tracker.finish_timeout=3"]


@pytest.fixture
def overrides(tmp_path):
    return [*SWEEP, f"runs_dir={tmp_path / 'runs'}"]


@pytest.fixture
def sweep(overrides):
    return compose_sweep(overrides)


@pytest.fixture
def mirror(script, overrides, capfd):
    """Mirror the sweep with the command; return what it prints."""

    def mirrored():
        assert script("mirror.py").main(overrides) == 0
        return capfd.readouterr().out

    return mirrored


def test_killed_and_started_again_a_sweep_arrives_whole_and_once(
    wandb_server, assert_mirrored, kill_in_second_run, train, mirror, overrides, sweep, capfd
):
    second = run_identity(sweep[1]).id

    def has_34_rows():
        """All that can come of 40 steps: five slopes are open, and W&B holds back the last row."""
        return second in wandb_server.runs and len(wandb_server.runs[second].history) >= 34

    kill_in_second_run(["scripts/run.py", "-m", *overrides, "hydra/launcher=basic"], has_34_rows)
    assert len(wandb_server.runs[second].history) == 34
    train(sweep)
    out, err = capfd.readouterr()
    assert "W&B: 2 points mirrored; online, in project adamct" in out
    assert "warning" not in err
    assert_mirrored(sweep, wandb_server.read)
    n_calls = len(wandb_server.asked)
    assert "0 of 2 points mirrored now, 2 before" in mirror()
    assert "UpsertBucket" not in wandb_server.asked[n_calls:]


@pytest.mark.parametrize("is_silent", [False, True])
def test_a_server_that_is_lost_costs_a_warning_and_gets_the_rest_later(
    wandb_server, assert_mirrored, train, mirror, overrides, sweep, capfd, is_silent
):
    wandb_server.dies_after, wandb_server.is_silent = 40, is_silent
    train(compose_sweep([*overrides, *IMPATIENT]))
    err = capfd.readouterr().err
    assert err.count("warning: the W&B mirror ended: W&B failed") == 1
    assert "Traceback" not in err
    assert wandb_server.is_down
    outcomes = [RunFolder.of(point.spec, sweep.runs_dir).outcome() for point in sweep]
    assert {outcome.status for outcome in outcomes} == {"finished"}
    wandb_server.is_down, wandb_server.dies_after = False, float("inf")
    assert "0 of 2" not in mirror()
    assert_mirrored(sweep, wandb_server.read)


def test_a_figure_arrives_with_its_claims(wandb_server, sweep, tmp_path):
    picture, table = tmp_path / "fig03_max_update.png", tmp_path / "fig03_max_update.csv"
    Figure(figsize=(1, 1)).savefig(picture)
    table.write_text("C,slope\n-0.1,0.05\n0.1,\n")
    claim = {"name": "a", "reference": "Fig. 3", "statement": "s", "criterion": "c", "n": 3}
    claim |= {"detail": "d", "unit": "nats", "figure": "fig03", "kind": "paper", "rule": "count"}
    claim |= {"seeds": (10, 11), "statistic": None, "interval": None}
    reproduced = claim | {"status": "reproduced", "statistic": 0.5, "interval": (0.4, 0.61234)}
    open_one = claim | {"status": "inconclusive", "kind": "theorem"}
    of_another_figure = claim | {"status": "reproduced", "figure": "fig11"}
    claims = [Verdict.model_construct(**c) for c in (reproduced, open_one, of_another_figure)]
    drawn = Rendered.model_construct(
        figure="fig3",
        stem=picture.stem,
        scale="smoke",
        files=[picture.name, "fig03_max_update.pdf", table.name],
        verdicts=claims,
        experiments=(),
    )
    for times in (1, 2):
        mirror_figure(sweep.tracker, drawn, tmp_path)
        run = wandb_server.runs["fig03_max_update-smoke"]
        assert len(run.history) == times  # the latest is what W&B shows
    assert run.exit_codes[-1] == 0
    figure = run.summary["figure"]
    assert (figure["_type"], figure["width"], figure["height"]) == ("image-file", 100, 100)
    assert run.files[figure["path"]] == picture.read_bytes()
    claims, numbers = (json.loads(run.files[run.summary[n]["path"]]) for n in ("claims", "numbers"))
    assert json.loads(run.files["claims.table.json"])["data"] == claims["data"]
    at = claims["columns"].index
    shown = [[line[at(c)] for c in ("kind", "statistic", "interval")] for line in claims["data"]]
    assert shown[:2] == [["paper", 0.5, "[0.4, 0.6123]"], ["theorem", None, None]]
    assert [line[at("rule") : at("rule") + 2] for line in claims["data"]] == 3 * [
        ["count", "10, 11"]
    ]
    assert numbers == {"columns": ["C", "slope"], "data": [["-0.1", "0.05"], ["0.1", ""]]}
    counted = {
        k: [run.summary[f"claims/{k}/{s}"] for s in get_args(Status)] for k in get_args(Kind)
    }
    assert counted == {"paper": [1, 0, 0], "theorem": [0, 0, 1], "extension": [0, 0, 0]}
    assert (run.upsert["groupName"], run.upsert["jobType"]) == ("figures-smoke", "figure")
    assert run.upsert["tags"] == ["figure 3"]
    offline = sweep.tracker.model_copy(update={"mode": "offline"})
    for _ in range(2):  # offline, it replaces what was there
        mirror_figure(offline, drawn, tmp_path)
        assert len(list(offline.folder.glob("wandb/offline-run-*/*.wandb"))) == 1
