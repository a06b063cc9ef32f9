import os
import subprocess

import pytest


@pytest.fixture
def small_disk(tmp_path):
    """Return a folder with room for 64 KiB: a full disk that the kernel itself reports."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root, and a system that lets it")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
