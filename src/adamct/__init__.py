"""Experiments for "Continuous-Time Analysis of Adaptive Optimization and Normalization".

One notation serves the whole package. The paper writes pairs as (β, γ), torch writes (γ, β):

| symbol | in code | meaning | torch's name |
|---|---|---|---|
| β | ``beta`` | decay of the second-moment average v | ``betas[1]`` |
| γ | ``gamma`` | decay of the first-moment average m | ``betas[0]`` |
| η | ``lr`` | learning rate | ``lr`` |
| λ | ``weight_decay`` | weight decay | ``weight_decay`` |
| ε | ``eps`` | added to √v before bias correction | ``eps`` (torch adds it after) |
| n | ``n`` | step index 0, 1, 2, …; bias correction at step n uses n + 1 | ``step`` − 1 |
| u_n | ``u`` | update direction: θ_{n+1} = θ_n − η u_n when λ = 0 | |
| ‖u_n‖∞ | ``max_update`` | max-update: the largest component of u_n over all parameters | |
| C(β, γ) | ``stability_coefficient`` | 2/γ − 1/β − 1; the paper's B₊ is C > 0 | |
| D_n(β, γ) | ``discrete_max_update_bound`` | exact bound of ‖u_n‖∞; stable iff γ² < β | |

A map, along the one arrow ``conf → spec → run → record → figure → claim``:

- ``spec``: frozen specifications and ``run_id``; ``compose``, ``configuration``, ``cells``: Hydra
  configuration → typed configuration → specs.
- ``theory``: stability, curves, norm growth (numpy only).
- ``optim``: ``KAdam``, its float64 reference, the strategies; ``monitor``: watches any Adam.
- ``continuous``: Adam's differential equation and its solvers.
- ``models``, ``data``: what is trained, and on what.
- ``train``: the loop, schedules, observables, checkpoints.
- ``store``: run folders, locks, resume; ``runner``: one run, ``sweep``: all of them.
- ``records``: the tidy tables; ``reference``: those kept in the repository; ``selection``: the
  best cells of a grid.
- ``plotting`` and ``claims`` read them: panels, and verdicts with
  intervals; ``gallery``: the figures there are, ``drawing``: one figure with its verdicts;
  ``report``: what was drawn at one scale, as one HTML page.
- ``tracking``: the W&B mirror of the records, and a W&B workspace per figure; ``cost``: what a run
  costs before it is launched.
- ``files``, ``environment``: writing that survives a kill; the commit that the code is of, and its
  cores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adamct.optim import KAdam

__version__ = "0.1.0"
__all__ = ["KAdam", "__version__"]


def __getattr__(name: str) -> object:
    if name == "KAdam":  # on first use: ``adamct.theory`` must not pay for torch
        from adamct.optim.kadam import KAdam

        return KAdam
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
