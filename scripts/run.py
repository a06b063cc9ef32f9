"""Train what an experiment asks for: a thin door from the command line to the runner.

``-m`` launches every run of the experiment through Hydra's launcher; what is already finished is
not trained again. See ``--help``.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import hydra

if TYPE_CHECKING:
    from omegaconf import DictConfig

ROOT = Path(__file__).resolve().parents[1]
# Hydra answers these itself, at once: nothing of ours may be imported before.
ANSWERED_BY_HYDRA = {"--help", "-h", "--hydra-help", "--version", "--cfg", "-c", "--info", "-i"}


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def job(cfg: DictConfig) -> None:
    """Train the run of one Hydra job."""
    from adamct.config.compose import sweep_of_job
    from adamct.files import ExpectedError
    from adamct.runs.runner import train_run

    sweep = sweep_of_job(cfg)
    try:
        train_run(
            sweep[0].spec,
            sweep.execution,
            runs_dir=sweep.runs_dir,
            data_dir=sweep.data_dir,
            cache_dir=sweep.cache_dir,
        )
    except ExpectedError as error:
        # Shown without a traceback. The sweep goes on, and reports at its end.
        print(f"error: {error}", file=sys.stderr)
    except Exception:
        # Its outcome says so, too. To Hydra it would be a reason to launch no further jobs.
        traceback.print_exc()


def main(arguments: list[str]) -> int:
    """Check every run before the first is trained, launch what is missing, and report."""
    os.chdir(ROOT)  # relative paths, of runs and of prepared data, are the project's
    if any(a.split("=")[0] in ANSWERED_BY_HYDRA for a in arguments):
        job()
        return 0
    from adamct.runs.sweep import run_sweep
    from adamct.tracking.live_sync import tracked

    return run_sweep(arguments, launch=job, track=tracked)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
