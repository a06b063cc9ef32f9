"""One layout a figure: the panels that show its runs as the figure does, while they train."""

from __future__ import annotations

from dataclasses import dataclass

from adamct.tracking import names as m
from adamct.tracking.board_panels import Bars, Colour, Condition, Curves, Grid, Panel, Scatter


@dataclass(frozen=True)
class Layout:
    """What is particular to one figure's dashboard.

    Attributes:
        panels: that show the runs; none for a figure drawn without runs.
        colour: what colours the runs.
        columns: keys pinned in the table of runs, beside those that every dashboard has.
        only: alternatives, one of which a run of the figure's experiments must fulfil.
        tables: that come with the figure: its claims, the numbers behind its points.
    """

    panels: tuple[Panel, ...] = ()
    colour: Colour | None = None
    columns: tuple[str, ...] = ()
    only: tuple[tuple[Condition, ...], ...] = ((),)
    tables: tuple[str, ...] = (m.CLAIMS_TABLE,)


# Keys: what the points and columns of several figures are made of.
C = f"config:{m.STABILITY}"  # there from the start, as filters need it
SLOPE_AT, EXACT_SLOPE, PAPER_SLOPE = (
    f"summary:{name}" for name in (m.SLOPE_AT, m.EXACT_SLOPE, m.PAPER_SLOPE)
)
EXACT_RATE, PAPER_RATE = f"summary:{m.EXACT_RATE}", f"summary:{m.PAPER_RATE}"
BEST_LOSS, BEST_ACCURACY = f"summary:{m.BEST_TEST_LOSS}", f"summary:{m.BEST_TEST_ACCURACY}"
STATUS = (f"summary:{m.STATUS}", f"summary:{m.DIVERGED_AT}", f"summary:{m.WALL_S}")
PAIR = ("config:beta", "config:gamma", C)
CELL = ("config:strategy", "config:k", "config:lr", "config:weight_decay")
MATRIX = ("config:qk_norm", "config:query_key_second_moment", "config:gamma", "config:weight_decay")
QUERY_KEY = tuple(f"config:query_key_{name}" for name in ("k", "lr", "weight_decay", "fixed_norm"))

# Panels that several figures show.
POINTS = Scatter("The points", x="config:beta", y="config:gamma")
BOUNDS = (m.MAX_UPDATE, m.PAPER_BOUND, m.EXACT_BOUND)
BOUNDED = Curves("Max-update and its bounds", BOUNDS, log_y=True)
MAX_UPDATE = Curves("Max-update", (m.MAX_UPDATE,), log_y=True)
OVER_EXACT, OVER_PAPER = (
    Curves(
        f"Max-update over {name}: above 1 the bound is broken",
        formula=f"${{{m.MAX_UPDATE}}} / ${{{bound}}}",
        log_x=True,
        log_y=True,
    )
    for name, bound in (("D_n", m.EXACT_BOUND), ("Eq. (5)", m.PAPER_BOUND))
)
SLOPES = Curves("Slope of ln max-update", (m.SLOPE,))
SLOPE_AGAINST_C = Scatter("Slope at step N against C", x=C, y=SLOPE_AT)
EXACT_PARITY = Scatter("Slope at step N, measured against D_n's", x=EXACT_SLOPE, y=SLOPE_AT)
PAPER_PARITY = Scatter("Slope at step N, measured against Eq. (5)'s", x=PAPER_SLOPE, y=SLOPE_AT)
TEST_LOSS = Curves("Test loss", (m.TEST_LOSS,))
LOSS_AGAINST_C = Scatter("Best test loss against C", x=C, y=BEST_LOSS)
HEADS = "of every head's W_Q and W_K"
SQUARED_NORMS = Curves(f"‖W‖² {HEADS}", vector="head_squared_norms")
SQUARED_UPDATES = Curves(f"‖u‖² {HEADS}", vector="head_squared_updates", log_y=True)
MEAN_MOMENTS = Curves(f"Mean of v {HEADS}", vector="head_mean_second_moments", log_y=True)

STABLE = Condition(C, ">=", 0.0)
UNSTABLE = Condition(C, "<=", 0.0)


def _generalization(best: Scatter, colour: Colour) -> Layout:
    return Layout((TEST_LOSS, best, POINTS, MAX_UPDATE), colour, (*PAIR, BEST_LOSS))


def _losses(best: Scatter, curves: Curves) -> Layout:
    """Return the layout of a grid of k-Adams on text: its best, and how the grid leads there."""
    columns = (*CELL, BEST_LOSS)
    grid = Grid("The grid", columns, log=("config:lr",))
    bars = Bars("Best test loss by strategy", m.BEST_TEST_LOSS, "strategy", "min")
    tables = (m.CLAIMS_TABLE, m.NUMBERS_TABLE)
    return Layout((best, grid, bars, curves), "strategy", columns, tables=tables)


def _accuracies(best: Scatter, *tables: str) -> Layout:
    """Return the layout of a grid of k-Adams on pictures."""
    columns = (*CELL, "config:decoupled", BEST_ACCURACY)
    grid = Grid("The grid", columns, log=("config:lr", "config:weight_decay"))
    bars = Bars("Best test accuracy by strategy", m.BEST_TEST_ACCURACY, "strategy", "max")
    curves = Curves("Test accuracy", (m.TEST_ACCURACY,))
    return Layout((best, grid, bars, curves), "strategy", columns, tables=tables)


LAYOUTS: dict[str, Layout] = {
    "fig1": Layout(
        (
            Curves("Sampled parameters, discrete", vector="sampled_parameters"),
            Curves("Sampled parameters, Eq. (4)", vector="continuous_sampled_parameters"),
            Curves("Relative error", formula="${continuous_gap} / ${displacement}"),
            Curves("Relative error, driven", formula="${driven_gap} / ${displacement}"),
            Curves("Correlation of displacements", ("continuous_correlation",)),
            Curves("Displacement, both", ("displacement", "continuous_displacement")),
        ),
        columns=("config:scheme", "config:n_substeps", "config:lr", "config:weight_decay"),
    ),
    "fig2": Layout(),
    "fig3": Layout(
        (BOUNDED, SLOPE_AGAINST_C, EXACT_PARITY, PAPER_PARITY, SLOPES, POINTS),
        "C",
        (*PAIR, SLOPE_AT, EXACT_SLOPE, PAPER_SLOPE),
    ),
    "fig4": _generalization(LOSS_AGAINST_C, "C"),
    "fig5": Layout((SQUARED_NORMS, SQUARED_UPDATES, MEAN_MOMENTS, MAX_UPDATE), columns=MATRIX),
    "fig6": _accuracies(
        Scatter("Best test accuracy against k", x="config:k", y=BEST_ACCURACY, best="highest"),
        m.CLAIMS_TABLE,
        m.NUMBERS_TABLE,
    ),
    "fig7": Layout(
        (Curves(BOUNDED.title, BOUNDS, log_x=True, log_y=True), OVER_EXACT, OVER_PAPER, POINTS),
        "beta",
        PAIR,
    ),
    "fig8": Layout(
        (
            Curves("⟨W_N, g_n⟩: earlier gradients on the last W", vector="final_inner_products"),
            Curves(f"‖g_n‖² {HEADS}", vector="head_squared_gradients", log_y=True),
            SQUARED_NORMS,
            MAX_UPDATE,
        ),
        columns=MATRIX,
    ),
    "fig9": Layout(
        (Curves("Sampled query and key parameters", vector="query_key_sample"), MAX_UPDATE),
        columns=MATRIX,
    ),
    "fig10": Layout(tables=()),  # an architecture, of which the paper claims nothing
    "fig11": Layout((BOUNDED, OVER_EXACT, OVER_PAPER, POINTS), "C", PAIR, only=((STABLE,),)),
    "fig12": _generalization(LOSS_AGAINST_C, "C"),
    "fig13": _generalization(
        Scatter("Best test loss against beta", x="config:beta", y=BEST_LOSS), "beta"
    ),
    "fig14": Layout(
        (
            Curves(
                "Learning rate times max-update",
                formula=f"${{{m.LR}}} * ${{{m.MAX_UPDATE}}}",
                log_y=True,
            ),
            MAX_UPDATE,
            TEST_LOSS,
            LOSS_AGAINST_C,
        ),
        "C",
        ("config:schedule", *PAIR, BEST_LOSS),
        # The unstable points, and (0.999, 0.9) to compare them with.
        only=((UNSTABLE,), (Condition("config:beta", "==", 0.999),)),
    ),
    "fig15": _accuracies(
        Scatter(
            "Best test accuracy against k, the whole range",
            x="config:k",
            y=BEST_ACCURACY,
            range_y=(0.0, 1.0),
            best="highest",
        ),
        m.CLAIMS_TABLE,
    ),
    "fig16": _losses(
        Scatter("Best test loss against k", x="config:k", y=BEST_LOSS, best="lowest"), TEST_LOSS
    ),
    "figE1": Layout(
        (
            POINTS,
            Scatter("Slope at step N against the exact rate", x=EXACT_RATE, y=SLOPE_AT),
            Scatter("Slope at step N against the paper's rate", x=PAPER_RATE, y=SLOPE_AT),
            MAX_UPDATE,
            OVER_EXACT,
        ),
        "C",
        (*PAIR, f"summary:{m.REGION}", SLOPE_AT, EXACT_RATE, PAPER_RATE),
    ),
    "figE2": Layout(
        (
            SQUARED_NORMS,
            SQUARED_UPDATES,
            Curves(f"‖Ŵ_{{n+1}} − Ŵ_n‖² {HEADS}", vector="head_squared_turns", log_y=True),
        ),
        columns=(*MATRIX, *QUERY_KEY),
    ),
    "figE3": Layout(
        (EXACT_PARITY, PAPER_PARITY, SLOPE_AGAINST_C, SLOPES),
        "C",
        ("config:state_dtype", *PAIR, SLOPE_AT, EXACT_SLOPE, PAPER_SLOPE),
        only=((UNSTABLE,),),
    ),
    "figE4": _losses(
        Scatter(
            "Best test loss against the learning rate",
            x="config:lr",
            y=BEST_LOSS,
            log_x=True,
            best="lowest",
        ),
        Curves("Test and validation loss", (m.TEST_LOSS, m.VALIDATION_LOSS)),
    ),
    "figE5": Layout(
        (
            Curves(
                "Max-update of levels 1, 2 and 3",
                tuple(m.component(m.MAX_UPDATE, level) for level in (1, 2, 3)),
                log_x=True,
                log_y=True,
            ),
            Curves(
                "Max-update of the last level and D_n",
                (m.MAX_UPDATE, m.EXACT_BOUND),
                log_x=True,
                log_y=True,
            ),
            OVER_EXACT,
        ),
        "strategy",
        ("config:strategy", "config:k"),
    ),
}
