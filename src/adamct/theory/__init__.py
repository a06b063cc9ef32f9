"""The mathematics of the project, in numpy alone.

- ``stability``: C(β, γ), r = γ²/β, the regions and growth rates of both theories.
- ``bias_correction``: √(1−β^t) / (1−γ^t), in numpy, the C library or torch.
- ``bounds``: Eq. (5), and the exact bound D_n.
- ``slopes``: measured and predicted slopes of ln ‖u_n‖∞, the share of steps at the predicted rate.
- ``curves``: level curves of C and their normal curves, sampled in arc length (``arc_length``).
- ``diagnosis``: what all this says of one pair, in words.
- ``norm_growth``: Eq. (8) for ‖W‖², its correction, the exact recursion; ``norm_laws``: all of
  them beside a measured ‖W‖².
- ``domain``: which decays and steps these accept.

Pairs are (β, γ) as in the paper; torch writes ``betas=(γ, β)``. Logarithms are natural, rates
are per step, and updates u_n are in units of the learning rate.
"""

from adamct.theory.bounds import (
    discrete_max_update_bound,
    discrete_max_update_limit,
    max_update_bound,
)
from adamct.theory.curves import Curve, level_curve, normal_curve
from adamct.theory.norm_growth import (
    exact_squared_norm,
    mean_age,
    memory_factor,
    squared_norm_growth,
    update_scale,
)
from adamct.theory.norm_laws import NormLaws, norm_laws
from adamct.theory.slopes import local_slopes, log_slope, predicted_slope, share_at_predicted_rate
from adamct.theory.stability import (
    discrete_growth_rate,
    exactly_stable,
    growth_rate,
    log_ratio,
    region,
    stability_coefficient,
)

__all__ = [
    "Curve",
    "NormLaws",
    "discrete_growth_rate",
    "discrete_max_update_bound",
    "discrete_max_update_limit",
    "exact_squared_norm",
    "exactly_stable",
    "growth_rate",
    "level_curve",
    "local_slopes",
    "log_ratio",
    "log_slope",
    "max_update_bound",
    "mean_age",
    "memory_factor",
    "norm_laws",
    "normal_curve",
    "predicted_slope",
    "region",
    "share_at_predicted_rate",
    "squared_norm_growth",
    "stability_coefficient",
    "update_scale",
]
