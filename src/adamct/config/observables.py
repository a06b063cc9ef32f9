"""The observables: what each one looks at, and what it needs of a run.

An observable is an entry here and a function of the same name in ``adamct.train.observables``. A
spec refuses an observable whose needs it cannot meet; the loop supplies them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator

Need = Literal[
    "max_update",  # the optimizer keeps it, which costs a pass over every update
    "heads",  # query and key matrices: the model is a GPT
    "heads_before",  # those of θ_n, kept over the step
    "heads_at_end",  # those of θ_N: the run is trained twice, once to know them
    "ode",  # Equation (4), solved beside the steps: the spec's ``continuous``
]


@dataclass(frozen=True)
class Declaration:
    """What an observable looks at, and what it needs.

    Attributes:
        at: ``"model"``: θ_n before each step, and θ_N after the last; ``"step"``: the step from
            θ_n, once it has been taken.
        needs: beside what every run has.
        mirrored: whether W&B shows it. Not a vector of thousands of components, which no workspace
            draws.
    """

    at: Literal["model", "step"]
    needs: frozenset[Need] = frozenset()
    mirrored: bool = True


def _declared(at: Literal["model", "step"], *needs: Need, mirrored: bool = True) -> Declaration:
    return Declaration(at, frozenset(needs), mirrored)


OBSERVABLES = {
    "train_loss": _declared("step"),
    "max_update": _declared("step", "max_update"),
    "lr": _declared("step"),
    "head_squared_norms": _declared("model", "heads"),
    "head_squared_updates": _declared("step", "heads"),
    "head_mean_second_moments": _declared("step", "heads"),
    "head_squared_gradients": _declared("step", "heads"),
    "head_squared_turns": _declared("step", "heads", "heads_before"),
    "head_samples": _declared("model", "heads", mirrored=False),
    "query_key_sample": _declared("model", "heads"),
    "final_inner_products": _declared("step", "heads", "heads_at_end"),
    "sampled_parameters": _declared("model"),
    "continuous_sampled_parameters": _declared("model", "ode"),
    "displacement": _declared("model", "ode"),
    "continuous_displacement": _declared("model", "ode"),
    "continuous_gap": _declared("model", "ode"),
    "driven_gap": _declared("model", "ode"),
    "continuous_correlation": _declared("model", "ode"),
}


def needs(names: Iterable[str]) -> frozenset[Need]:
    """Return what some observables need, together.

    >>> sorted(needs(["train_loss", "head_squared_turns"]))
    ['heads', 'heads_before']
    """
    return frozenset().union(*(OBSERVABLES[name].needs for name in names))


def _known(name: str) -> str:
    if name not in OBSERVABLES:
        raise ValueError(f"received {name!r}, expected one of {', '.join(OBSERVABLES)}")
    return name


Observable = Annotated[str, AfterValidator(_known)]
