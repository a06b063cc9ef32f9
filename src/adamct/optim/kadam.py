"""k-Adam as a torch optimizer (the paper's Definition 3 and Algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer, ParamsT

from adamct.optim.advance import advance, compiling_pays
from adamct.optim.groups import (
    complete_group,
    end_guard_if_decays_changed,
    refuse_foreign,
)
from adamct.optim.scalars import StepScalars
from adamct.optim.state import check_shapes, restored_state


class KAdam(Optimizer):
    """k-Adam: the gradient adaptively normalized k times in succession; k = 1 is Adam(W).

    For i = 1…k (Algorithm 1), with ĝ = g at first and n counted per parameter:
    m_i ← γ_i m_i + (1 − γ_i) ĝ,  v_i ← β_i v_i + (1 − β_i) ĝ²,
    ĝ ← √(1−β_i^{n+1}) / (1−γ_i^{n+1}) · m_i / (√v_i + ε);  then θ ← θ − η (ĝ + λθ).

    Each argument from ``lr`` to ``guard``, and ``state_dtype``, is also an option of a parameter
    group. A group may moreover say ``second_moment="tensor_mean"``: v_i then averages ĝ² over the
    last two dimensions, over all of them below three (Assumption 2), and is not guarded, since
    D_n bounds only the root mean square of u there. A group's own k, strategy, beta or gamma
    override explicit levels of the constructor. The options may change between steps, except for
    the number of levels, ``second_moment`` and ``state_dtype``; a change of decays ends a group's
    guard, since D_n bounds only sums that were built with one pair.

    The state of a parameter is ``{"step": n, "m": [m_1, …, m_k], "v": [v_1, …, v_k]}``. Steps
    never wait for the device. ``torch.compile(optimizer.step)`` works but runs ``step`` as it is:
    ``compiled`` is the way to a compiled update.

    Args:
        params: parameters, named parameters or parameter groups, as for any torch optimizer.
        lr: η per step, a float or a tensor of one element.
        k: number of levels.
        strategy: how (β_i, γ_i) follow from (``beta``, ``gamma``), see
            ``strategy_hyperparameters``.
        beta: β̃ in [0, 1), torch's ``betas[1]``.
        gamma: γ̃ in [0, 1), torch's ``betas[0]``.
        level_betas: explicit (β_1…β_k); overrides ``k`` and ``strategy``.
        level_gammas: explicit (γ_1…γ_k), of the same length.
        eps: ε, added to √v before bias correction (torch adds it after). Below the smallest
            normal number of the state's dtype it is raised to that, which leaves every √v > 0 as
            it is and makes 0/0 zero; so ``eps=0`` is safe.
        weight_decay: λ.
        decoupled: λθ joins the update (AdamW, multiplied by η) rather than the gradient (Adam).
        maximize: ascend.
        guard: clamp each level to D_n (1 + 1e-5). Exact arithmetic never exceeds D_n, so this
            undoes nothing but an underflow of v. To check a bound, turn it off.
        compiled: True forces the update through ``torch.compile``, False forbids it. None does
            it on CUDA, and on a CPU from a million parameters on, and falls back with one notice
            where no compiler works. ``tensor_mean`` groups always run eagerly.
        state_dtype: dtype of m and v, torch.float32 or torch.float64; None: the parameter's, and
            at least float32.
        track_max_update: keep ``max_update``.
        foreign: caught to be refused with the remedy (``betas``, ``amsgrad``, ``fused``, …).

    Attributes:
        max_update: the tensor (‖u^{(1)}‖∞, …, ‖u^{(k)}‖∞) of the last step on the device, over
            all groups (k is the largest of theirs), without decoupled decay. None before the
            first step, and without ``track_max_update``.

    Raises:
        TypeError: an argument of the wrong type, or an option of torch's Adam that has no
            meaning here.
        ValueError: an argument out of range.

    >>> theta = torch.nn.Parameter(torch.tensor([2.0, -1.0]))
    >>> optimizer = KAdam([theta], lr=0.1, k=2, track_max_update=True)
    >>> for _ in range(30):
    ...     optimizer.zero_grad()
    ...     theta.square().sum().backward()
    ...     optimizer.step()
    >>> bool(theta.square().sum() < 0.1), optimizer.max_update.shape
    (True, torch.Size([2]))
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        *,
        k: int = 2,
        strategy: str = "inverse_exp",
        beta: float = 0.999,
        gamma: float = 0.9,
        level_betas: Sequence[float] | None = None,
        level_gammas: Sequence[float] | None = None,
        eps: float = 1e-30,
        weight_decay: float = 0.0,
        decoupled: bool = True,
        maximize: bool = False,
        guard: bool = True,
        compiled: bool | None = None,
        state_dtype: torch.dtype | None = None,
        track_max_update: bool = False,
        **foreign: Any,
    ) -> None:
        refuse_foreign(foreign)
        if foreign:
            raise TypeError(f"KAdam has no option {sorted(foreign)}; see help(KAdam)")
        options = {
            "lr": lr,
            "k": k,
            "strategy": strategy,
            "beta": beta,
            "gamma": gamma,
            "level_betas": level_betas,
            "level_gammas": level_gammas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled": decoupled,
            "maximize": maximize,
            "guard": guard,
            "state_dtype": state_dtype,
            "second_moment": "elementwise",
        }
        self.compiled = compiled
        self.track_max_update = bool(track_max_update)
        self.max_update: Tensor | None = None
        super().__init__(params, complete_group(options, defaults={}))

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, checked as the constructor's arguments are.

        Args:
            param_group: "params" and any of the options.

        Raises:
            TypeError: as the constructor.
            ValueError: as the constructor.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"got {param_group!r}; expected a dict with a key 'params'")
        super().add_param_group(complete_group(param_group, self.defaults))

    @property
    def uses_compiled(self) -> bool:
        """Whether steps go through ``torch.compile``: as forced, or by size and device.

        After a step it says what was used: False if no compiler worked.
        """
        if self.compiled is not None:
            return self.compiled
        return compiling_pays(p for group in self.param_groups for p in group["params"])

    # Traced, the step count would be a constant and every step would compile again.
    @torch.compiler.disable
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Advance every parameter that has a gradient by one step.

        Args:
            closure: re-evaluates the model and returns the loss.

        Returns:
            The closure's loss, or None.

        Raises:
            RuntimeError: a sparse or complex gradient (no parameter has been changed then), or a
                number of levels that is not the state's.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()

        work = [
            (group, [(p, p.grad) for p in group["params"] if p.grad is not None and p.numel() > 0])
            for group in self.param_groups
        ]
        for _, g in chain.from_iterable(pairs for _, pairs in work):
            _refuse_gradient(g)

        how = {
            "compiled": self.uses_compiled,
            "forced": bool(self.compiled),
            "track": self.track_max_update,
        }
        norms: list[list[Tensor]] = [[] for _ in range(max(g["k"] for g in self.param_groups))]
        for group, pairs in work:
            if pairs:
                end_guard_if_decays_changed(group)
            scalars = StepScalars(group)
            for p, g in pairs:
                of_levels = advance(p, g, self.state[p], group, scalars, **how)
                for norms_of_level, norm in zip(norms, of_levels, strict=False):
                    norms_of_level.append(norm)
        if self.track_max_update:
            device = next(p.device for g in self.param_groups for p in g["params"])
            self.max_update = _largest(norms, device)
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what ``state_dict`` returned; m and v keep the precision of their dtype.

        Args:
            state_dict: of a ``KAdam`` with the same parameters. Its groups' options replace this
                optimizer's.

        Raises:
            ValueError: the dict is another optimizer's, or does not fit the parameters.
        """
        # torch casts state to the parameter's dtype. So the dict that the user's own hooks leave
        # is kept aside, and m and v are taken from it before the user's hooks see the result.
        saved: dict[str, Any] = {}

        def keep(_: Optimizer, final: dict[str, Any]) -> None:
            self._refuse_state_dict(final)
            saved.update(final)

        def restore(_: Optimizer) -> None:
            ids = chain.from_iterable(group["params"] for group in saved["param_groups"])
            for group in self.param_groups:
                for p in group["params"]:
                    state = saved["state"].get(next(ids))
                    if state:
                        self.state[p] = restored_state(p, group, state)

        hooks = (
            self.register_load_state_dict_pre_hook(keep),
            self.register_load_state_dict_post_hook(restore, prepend=True),
        )
        try:
            super().load_state_dict(state_dict)
        finally:
            for hook in hooks:
                hook.remove()

    def _refuse_state_dict(self, state_dict: dict[str, Any]) -> None:
        for group in state_dict["param_groups"]:
            missing = sorted(self.defaults.keys() - group.keys())
            if missing:
                raise ValueError(
                    f"the state_dict is not KAdam's: a parameter group lacks {missing}; load it "
                    "into the optimizer that saved it, or start KAdam without its state"
                )
        for own, group in zip(self.param_groups, state_dict["param_groups"], strict=False):
            for p, name in zip(own["params"], group["params"], strict=False):
                if state := state_dict["state"].get(name):
                    check_shapes(p, group, state)

    def __getstate__(self) -> dict[str, Any]:
        own = ("compiled", "track_max_update", "max_update")
        return {**super().__getstate__(), **{name: getattr(self, name) for name in own}}


def _refuse_gradient(g: Tensor) -> None:
    if g.layout != torch.strided:
        raise RuntimeError(
            f"KAdam does not take sparse gradients (got layout {g.layout}): m and v are dense; "
            "build the embedding with sparse=False, or call .to_dense() on the gradient"
        )
    if g.is_complex():
        raise RuntimeError(
            f"KAdam does not take complex parameters (got {g.dtype}): keep a real parameter and "
            "use torch.view_as_complex in the model"
        )


def _largest(norms: list[list[Tensor]], device: torch.device) -> Tensor:
    # A level that no parameter had in this step counts as 0.
    zero = torch.zeros((), device=device)
    return torch.stack(
        [
            torch.stack([zero, *(x.to(device, non_blocking=True) for x in level)]).amax()
            for level in norms
        ]
    )
