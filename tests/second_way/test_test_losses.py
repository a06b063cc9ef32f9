"""The claims on test losses and on annealed learning rates (Figs. 4, 12, 13 and 14).

Every run is looked at alone: its evaluations, and C of its pair. Ranks are counted, straight lines
and spreads written out.
"""

import math

import numpy as np
import pytest

ALIKE_AT = (0.999, 0.9)
NEAR_ORIGIN = 0.45  # β
SHARP = 2
CURVE, CURVE_095 = "generalization_normal_curve", "generalization_normal_curve_095"
LEVEL_CURVE, FIXED_GAMMA = "generalization_level_curve", "generalization_fixed_gamma"
ANNEALED = "annealed_unstable"


# ----------------------------------------------------------------------------- of a single run


def pair(run):
    (β,), (γ,) = run.option("betas"), run.option("gammas")
    return β, γ


def C(run):
    β, γ = pair(run)
    return 2 / γ - 1 / β - 1


def evaluations(run):
    """The steps and the test losses there, as far as they are finite."""
    losses = run.table["test_loss"]
    kept = losses[np.isfinite(losses)]
    return list(zip(kept.index, kept, strict=True))


def best(run):
    return min(loss for _, loss in evaluations(run))


def early(run):
    """The best loss in the first third."""
    return min(loss for n, loss in evaluations(run) if 3 * n <= run.spec["n_steps"])


def area(run):
    """The mean loss in the first third, without the one before training."""
    losses = [loss for n, loss in evaluations(run) if 0 < 3 * n <= run.spec["n_steps"]]
    return sum(losses) / len(losses)


# ----------------------------------------------------------------------------- of several runs


def stable(runs):
    return [run for run in runs if C(run) > 0]


def sample_deviation(values):
    mean = sum(values) / len(values)
    return math.sqrt(sum((x - mean) ** 2 for x in values) / (len(values) - 1))


def rank_correlation(x, y):
    """Spearman's 1 − 6 Σ d² / (n³ − n), which holds where no two values are equal."""
    assert len(set(x)) == len(set(y)) == len(x)
    ranks = [[sum(other <= value for other in sample) for value in sample] for sample in (x, y)]
    n = len(x)
    return 1 - 6 * sum((a - b) ** 2 for a, b in zip(*ranks, strict=True)) / (n**3 - n)


def fall(runs):
    """By how much the best loss falls per unit of C, by least squares."""
    x, y = [C(run) for run in runs], [best(run) for run in runs]
    x = [value - sum(x) / len(x) for value in x]
    return -sum(a * b for a, b in zip(x, y, strict=True)) / sum(a * a for a in x)


def order_of(loss):
    """Spearman's correlation of C with a loss, over B₊."""
    return lambda runs: rank_correlation(
        *zip(*((C(r), loss(r)) for r in stable(runs)), strict=True)
    )


def contrast_of_spreads(runs):
    """Relative spread of the best losses over B₊, in the end over that in the first third."""
    at_last, at_first = (
        sample_deviation(losses) / sum(losses)
        for losses in ([loss(run) for run in stable(runs)] for loss in (best, early))
    )
    return at_last / at_first


def sharpness(runs):
    """The fall across C = 0, as far into B₊ as into B₋, less twice that further in B₊."""
    reach = -min(map(C, runs))
    assert reach > 0
    across = [run for run in runs if abs(C(run)) <= reach]
    further = [run for run in runs if C(run) > reach]
    return fall(across) - SHARP * fall(further)


def spread_beside_curve(runs, curve):
    """Spread of the areas of a control over that of the curve's points in B₊."""
    return sample_deviation(list(map(area, runs))) / sample_deviation(
        list(map(area, stable(curve)))
    )


def slower_near_origin(runs):
    """Mean area near the origin, less that at (0.999, 0.9); the second part is a test below."""
    return areas_of_level_curve(runs)["origin"] - areas_of_level_curve(runs)["default"]


def areas_of_level_curve(runs):
    parts = {"origin": [], "between": [], "default": []}
    for run in runs:
        β, _ = pair(run)
        name = "default" if β == ALIKE_AT[0] else "origin" if β < NEAR_ORIGIN else "between"
        parts[name].append(area(run))
    return {name: sum(areas) / len(areas) for name, areas in parts.items()}


# ------------------------------------------------------------------------------------ annealing


def schedule(run):
    """Whether the learning rate is annealed by exp(−n|C|/2), and what else it follows."""
    own = run.spec["schedule"]
    if own["kind"] != "annealed":
        return False, own["kind"]
    assert own["rate"] == pytest.approx(-C(run) / 2, rel=1e-6)
    return True, own["base"]["kind"]


def scheduled(runs, *wanted):
    return [run for run in runs if schedule(run) == wanted]


def last_scaled_update(runs):
    """η_n ‖u_n‖∞ / η_0 at the last step, median over the points."""
    return np.median(
        [
            run.scalar("lr")[-1] / run.scalar("lr")[0] * run.scalar("max_update_1")[-1]
            for run in scheduled(runs, True, "constant")
        ]
    )


def late_update(runs):
    """‖u_n‖∞: median over the second half of the steps, then over the points."""
    return np.median(
        [
            np.median(run.scalar("max_update_1")[run.spec["n_steps"] // 2 :])
            for run in scheduled(runs, True, "constant")
        ]
    )


def excess_over_default(runs, curve):
    """Best loss annealed, beyond that of (0.999, 0.9) on Figure 4's curve: median point."""
    (default,) = (best(run) for run in curve if pair(run) == ALIKE_AT)
    return np.median([best(run) - default for run in scheduled(runs, True, "warmup_cosine")])


def cost_of_annealing(runs):
    """Best loss annealed less not annealed at the same pair: median point."""
    without = {pair(run): best(run) for run in scheduled(runs, False, "warmup_cosine")}
    annealed = scheduled(runs, True, "warmup_cosine")
    assert {pair(run) for run in annealed} == set(without)
    return np.median([best(run) - without[pair(run)] for run in annealed])


# ---------------------------------------------------------------------------------- the claims


def along(figure, experiment):
    return {
        f"faster-with-C-{figure}": ((experiment,), order_of(area)),
        f"order-persists-{figure}": ((experiment,), order_of(best)),
        f"alike-in-the-end-{figure}": ((experiment,), contrast_of_spreads),
        f"sharp-rise-{figure}": ((experiment,), sharpness),
    }


# Name → what it reads, and the statistic of one seed's runs, a list for each experiment.
COVERED = {
    **along("fig04", CURVE),
    **along("fig12", CURVE_095),
    "speed-at-fixed-gamma": ((FIXED_GAMMA, CURVE), spread_beside_curve),
    "speed-at-fixed-C": ((LEVEL_CURVE, CURVE), spread_beside_curve),
    "slower-towards-origin": ((LEVEL_CURVE,), slower_near_origin),
    "annealed-to-nothing": ((ANNEALED,), last_scaled_update),
    "unscaled-of-order-one": ((ANNEALED,), late_update),
    "annealing-does-not-rescue": ((ANNEALED, CURVE), excess_over_default),
    "annealing-is-worse-than-none": ((ANNEALED,), cost_of_annealing),
}


@pytest.mark.parametrize("name", COVERED)
def test_the_statistic_and_its_interval_are_the_same(name, read, agrees):
    experiments, statistic = COVERED[name]
    parts = [read(experiment) for experiment in experiments]
    values = [statistic(*(part[seed] for part in parts)) for seed in parts[0]]
    agrees(name, values, parts[0])


def test_the_second_part_on_the_level_curve_holds(read, verdicts, student):
    """Slower near the origin than between, too: the worse of the two parts is the status."""
    tables = [areas_of_level_curve(runs) for runs in read(LEVEL_CURVE).values()]
    parts = [
        student([areas["origin"] - areas[other] for areas in tables])
        for other in ("default", "between")
    ]
    if any(high < 0 for *_, high in parts):
        expected = "not reproduced"
    else:
        expected = "reproduced" if all(low >= 0 for _, low, _ in parts) else "inconclusive"
    assert verdicts["slower-towards-origin"]["status"] == expected
