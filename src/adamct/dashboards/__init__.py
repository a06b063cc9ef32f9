"""A saved view of the W&B project for every figure, as code.

- ``panels``: what a dashboard is, as plain data.
- ``layouts``, ``boards``: what each figure's dashboard shows.
- ``colours``: the figures' colours, for runs in W&B.
- ``workspaces``: the only importer of ``wandb_workspaces``.
"""

from adamct.dashboards.boards import dashboard
from adamct.dashboards.layouts import LAYOUTS
from adamct.dashboards.panels import Dashboard

__all__ = ["LAYOUTS", "Dashboard", "dashboard"]
