"""Where records are mirrored: a folder of W&B's, the notes of what is in it, a W&B run opened.

A small note says of which record the mirror of a run is complete, and the next start skips it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adamct import files
from adamct.config.execution import WandbTracker
from adamct.runs.store import Outcome
from adamct.tracking.content import Identity
from adamct.tracking.mode import Mode, TrackingError, answered, tracker_mode

if TYPE_CHECKING:
    from wandb import Run

# Raised whenever the same record would be mirrored otherwise than before.
FORMAT = 4


@dataclass(frozen=True)
class Mirror:
    """The mirror of one tracker: what is in it, and how a W&B run is opened.

    Attributes:
        tracker: where.
        mode: online or offline, decided.
    """

    tracker: WandbTracker
    mode: Mode

    @classmethod
    @contextmanager
    def locked(
        cls, tracker: WandbTracker | None, group: str, *, wait: bool = False
    ) -> Iterator[Mirror]:
        """Lock a group of the mirror for this process.

        Args:
            tracker: where.
            group: of points or figures.
            wait: for another process (of an interrupted sweep, say) to leave it.

        Raises:
            FileError: if another process mirrors the same group and ``wait`` is False, or the
                folder cannot be written.
            TrackingError: without a tracker, or if W&B is not installed or switched off.
        """
        if tracker is None:
            raise TrackingError(
                "tracker=none, tracker.mode=disabled and WANDB_MODE=disabled mirror nothing; leave "
                "them out"
            )
        with files.writing(tracker.folder):
            (tracker.folder / "mirrored").mkdir(parents=True, exist_ok=True)
        with files.exclusive(tracker.folder / f"{group}.lock", wait=wait):
            yield cls(tracker, tracker_mode(tracker))

    def where(self) -> str:
        """Say where the mirror is to be looked at."""
        if self.mode == "online":
            return f"online, in project {self.tracker.project}"
        return f"offline; upload with: wandb sync {self.tracker.folder}/wandb/offline-run-*"

    def open(self, identity: Identity, config: dict[str, Any]) -> Run:
        """Open a W&B run, fresh offline, and where the server's rows end online.

        Args:
            identity: of the run; what an earlier mirror of it left here is removed.
            config: what W&B filters and groups by.

        Raises:
            FileError: if what an earlier mirror left cannot be removed.
            TrackingError: if W&B fails.
        """
        import wandb

        self.forget(identity)
        for folder in self._folders(identity):
            with files.writing(folder):
                shutil.rmtree(folder)
        with answered():
            run = wandb.init(
                project=self.tracker.project,
                entity=self.tracker.entity,
                dir=self.tracker.folder,
                config=config,
                resume="allow" if self.mode == "online" else None,
                settings=wandb.Settings(
                    mode=self.mode,
                    reinit="create_new",  # several records grow at once
                    init_timeout=self.tracker.init_timeout,
                    finish_timeout=self.tracker.finish_timeout,
                    finish_timeout_raises=True,
                    use_dot_wandb=False,  # W&B's folders are looked for in "wandb"
                    # A reader of records has no output or code of its own to report.
                    silent=True,
                    console="off",
                    disable_git=True,
                    save_code=False,
                ),
                **asdict(identity),
            )
            return run

    def is_complete(self, identity: Identity, outcome: Outcome) -> bool:
        """Whether the mirror has all of the record of an outcome."""
        note = self._note(identity)
        is_here = self.mode == "online" or bool(self._folders(identity))
        return is_here and note.exists() and note.read_text() == self._note_text(outcome)

    def note_complete(self, identity: Identity, outcome: Outcome) -> None:
        """Note that the mirror has all of the record of an outcome."""
        files.replace(self._note(identity), self._note_text(outcome))

    def forget(self, identity: Identity) -> None:
        """Forget that the mirror of a run is complete."""
        self._note(identity).unlink(missing_ok=True)

    def _folders(self, identity: Identity) -> list[Path]:
        """Return W&B's folders of a run; more than one only where a mirror was cut."""
        return sorted((self.tracker.folder / "wandb").glob(f"*run-*-{identity.id}"))

    def _note(self, identity: Identity) -> Path:
        return self.tracker.folder / "mirrored" / f"{identity.id}.json"

    def _note_text(self, outcome: Outcome) -> str:
        place = {"mode": self.mode, "project": self.tracker.project, "entity": self.tracker.entity}
        note = {"format": FORMAT, "record_sha256": outcome.record_sha256}
        return json.dumps(note | place) + "\n"
