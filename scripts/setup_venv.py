"""Make .venv as requirements.lock says, once, whoever asks first; standard library only.

python3 scripts/setup_venv.py .venv
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"


def main(target: Path) -> int:
    """Create and fill the environment unless it is already as the lock file says."""
    if not (3, 10) <= sys.version_info[:2] < (3, 14):
        print(
            f"error: Python {sys.version.split()[0]}, expected 3.10 to 3.13; "
            "choose another: make PYTHON=python3.12 …",
            file=sys.stderr,
        )
        return 1
    wanted = hashlib.sha256(LOCK.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    stamp = target / "ready"
    target.mkdir(exist_ok=True)
    with (target / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # two makes at once: the second waits, then finds it
        if stamp.exists() and stamp.read_text() == wanted:
            stamp.touch()
            return 0
        print(f"installing {LOCK.name} into {target.name}: some minutes, several GB", flush=True)
        stamp.unlink(missing_ok=True)
        venv.create(target, with_pip=True)
        pip = [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        pip += ["--disable-pip-version-check"]
        for arguments in (
            ["-r", str(LOCK)],
            ["--no-deps", "--no-build-isolation", "-e", str(ROOT)],
        ):
            if code := subprocess.call([*pip, *arguments]):
                print("error: pip could not install; see its message above", file=sys.stderr)
                return code
        stamp.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".venv")))
