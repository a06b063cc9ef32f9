"""Tells ``datasets``, before its first import, to ask and report nothing over the network."""

import os

os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
