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

A map. The library, which needs numpy and torch at most:

- ``theory``: stability, bounds, curves, norm growth: each formula once (numpy alone).
- ``optim``: ``KAdam``, its float64 reference, the strategies.
- ``continuous``: Equation (4) and its solvers.
- ``monitor``: watches any live Adam.

The suite, along the one arrow ``conf → spec → run → record → figure → claim``; each floor reads
those before it:

- ``models``, ``data``: what is trained, and on what; ``data.rng``: every seed of a run.
- ``config``: Hydra's YAML → frozen ``RunSpec``, ``Execution`` and ``Sweep``: one border.
- ``train``: the loop, tasks, schedules, checkpoints, observables.
- ``runs``: run folders, one run, a sweep of them, what they cost.
- ``records``: two tidy tables; those that are kept in the repository.
- ``analysis``: quantities measured on records, each once, for all that follows.
- ``claims``: criteria as data, and what the records say of them.
- ``plotting``: style, panels, the registry of figures; a figure rendered with its verdicts.
- ``tracking``: W&B shows what the records hold.
- ``report``: all of it on one page, and the README's numbers.

Below all floors: ``files``, writing that survives a kill; ``environment``, what the code runs in.
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
