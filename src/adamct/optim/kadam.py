"""k-Adam as a torch optimizer (the paper's Definition 3 and Algorithm 1)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.optim.optimizer import Optimizer, ParamsT

from adamct.optim.compiled import compiled_update, compiling_pays
from adamct.optim.options import (
    Check,
    check_decay,
    check_decays,
    check_lr,
    check_non_negative,
    complete_group,
    end_guard_if_decays_changed,
    one_of,
    refuse_foreign,
    refuse_saved_group,
)
from adamct.optim.state import Bucket, Layout, restored_state
from adamct.optim.strategies import STRATEGIES, check_level_count
from adamct.optim.update import (
    Decay,
    StepScalars,
    effective_eps,
    kadam_update,
    mean_dims,
)

# The options of a parameter group, each with its check; the defaults are the constructor's.
OPTIONS: dict[str, Check] = {
    "lr": check_lr,
    "k": check_level_count,
    "strategy": one_of(*STRATEGIES),
    "beta": check_decay,
    "gamma": check_decay,
    "level_betas": check_decays,
    "level_gammas": check_decays,
    "eps": check_non_negative,
    "weight_decay": check_non_negative,
    "decoupled": one_of(False, True),
    "maximize": one_of(False, True),
    "guard": one_of(False, True),
    "state_dtype": one_of(None, torch.float32, torch.float64),
    "second_moment": one_of("elementwise", "tensor_mean"),
}
_OF_GROUPS_ALONE = {"second_moment": "elementwise"}  # no argument of the constructor


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

    The state of a parameter is ``{"step": n, "m_1": …, "v_1": …, …, "m_k": …, "v_k": …}``, plain
    tensors, as a rule views of vectors for many parameters. Steps never wait for the device.
    ``torch.compile(optimizer.step)`` works but runs ``step`` as it is: ``compiled`` is the way to
    a compiled update.

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
        capturable: count the steps on the parameters' device, as torch's optimizers do under this
            name, and compute there what depends on the count, so that a CUDA graph can capture
            ``step`` (docs/GPU.md). Options are constants of the graph, but for an ``lr`` that is
            a tensor on the device.
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
        capturable: bool = False,
        state_dtype: torch.dtype | None = None,
        track_max_update: bool = False,
        **foreign: Any,
    ) -> None:
        refuse_foreign(foreign)
        if foreign:
            raise TypeError(f"KAdam has no option {sorted(foreign)}; see help(KAdam)")
        options = {name: value for name, value in locals().items() if name in OPTIONS}
        self.compiled, self.capturable = compiled, bool(capturable)
        self.track_max_update = bool(track_max_update)
        self.max_update: Tensor | None = None
        self._layout = Layout(self.capturable)
        super().__init__(params, complete_group(options, _OF_GROUPS_ALONE, OPTIONS))

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
        refuse_foreign(param_group)
        group = complete_group(param_group, self.defaults, OPTIONS)
        group.pop("first_decays", None)  # of another optimizer's steps
        super().add_param_group(group)

    @property
    def uses_compiled(self) -> bool:
        """Whether steps go through ``torch.compile``: as forced, or by size and device.

        After a step it says what was used: False if no compiler worked.
        """
        if self.compiled is not None:
            return self.compiled
        return compiling_pays(p for group in self.param_groups for p in group["params"])

    @torch.no_grad()
    def step(  # type: ignore[override]  # torch's has two signatures for one function
        self, closure: Callable[[], float] | None = None
    ) -> float | None:
        """Advance every parameter that has a gradient by one step.

        Args:
            closure: re-evaluates the model and returns the loss.

        Returns:
            The closure's loss, or None.

        Raises:
            RuntimeError: a sparse or complex gradient (no parameter has been changed then), or a
                number of levels that is not the state's; a CUDA graph captures the step, and the
                optimizer is not ``capturable``.
        """
        if torch.compiler.is_compiling():
            # Traced, the step count would be a constant and every step would compile again.
            return torch.compiler.disable(self._step)(closure)
        return self._step(closure)

    def _step(self, closure: Callable[[], float] | None) -> float | None:
        if not self.capturable and _is_captured():
            raise RuntimeError(
                "a CUDA graph would replay this one step, whose count is kept on the host, again "
                "and again; build KAdam with capturable=True"
            )
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()

        compiled, extremes, scalars = self.uses_compiled, [], {}
        for group, bucket in self._layout.of_step(self.param_groups, self.state):
            if id(group) not in scalars:
                end_guard_if_decays_changed(group)
                scalars[id(group)] = StepScalars(group)
            extremes.append(self._update(bucket, group, scalars[id(group)], compiled))
        self.max_update = self._largest(extremes) if self.track_max_update else None
        return loss

    def _update(
        self, bucket: Bucket, group: Mapping[str, Any], scalars: StepScalars, compiled: bool
    ) -> list[Tensor]:
        """Advance a bucket's parameters and their state; the extremes of ``kadam_update``."""
        m, v, dtype = bucket.m, bucket.v, bucket.m[0].dtype
        n: int | Tensor = bucket.step if self.capturable else bucket.n
        dims, levels = mean_dims(bucket.params[0], group), scalars.levels(n, dtype)
        if len(m) != len(levels):
            raise RuntimeError(
                f"a parameter group has {len(levels)} levels, its state {len(m)}; the number of "
                "levels cannot change between steps: build a new KAdam"
            )
        decay: Decay = "none"
        if group["weight_decay"] != 0:
            decay = "decoupled" if group["decoupled"] else "coupled"
        flags: dict[str, Any] = {
            "decay": decay,
            "maximize": group["maximize"],
            "track": self.track_max_update,
        }
        θ, g, out = bucket.gather(with_theta=decay != "none")
        arguments, extremes = (θ, g, m, v), None
        if compiled and dims is None:
            packed, forced = scalars.packed(n, dtype, m[0].device), bool(self.compiled)
            extremes = compiled_update(*arguments, *packed, forced=forced, out=out, **flags)
        if extremes is None:
            extremes = kadam_update(
                *arguments, levels, lr=scalars.lr, weight_decay=group["weight_decay"],
                eps=effective_eps(group, dtype), mean_dims=dims, out=out, **flags,
            )  # fmt: skip
        bucket.end_step(out)
        return extremes

    def _largest(self, extremes: list[list[Tensor]]) -> Tensor:
        # A level that no parameter had in this step counts as 0.
        k = max(group["k"] for group in self.param_groups)
        norms = [torch.stack(x).view(-1, 2).abs_().amax(1) for x in extremes]
        if len(norms) == 1 and len(norms[0]) == k:
            return norms[0]
        device = next(p.device for group in self.param_groups for p in group["params"])
        padded = [pad(x.to(device, non_blocking=True), (0, k - len(x))) for x in norms]
        return torch.stack([torch.zeros(k, device=device), *padded]).amax(0)

    def update_of(self, p: Tensor) -> Tensor:
        """u_n of a parameter in its last step, from its state.

        u_n = √(1−β^{n+1}) / (1−γ^{n+1}) · m_n / (√v_n + ε) of the last level, before the guard
        and before decoupled decay.

        Args:
            p: a parameter of this optimizer, of any shape.

        Returns:
            A new tensor of the parameter's shape, in the dtype of its state.

        Raises:
            ValueError: another optimizer's parameter, or one that has not taken a step.

        >>> theta = torch.nn.Parameter(torch.zeros(2))
        >>> optimizer = KAdam([theta], k=1)
        >>> theta.grad = torch.tensor([3.0, -4.0])
        >>> optimizer.step()
        >>> optimizer.update_of(theta)
        tensor([ 1., -1.])
        """
        state = self.state.get(p)
        if not state:
            raise ValueError(
                f"a tensor of shape {tuple(p.shape)} has no state here; pass a parameter of this "
                "optimizer, after a step in which it had a gradient"
            )
        group = next(g for g in self.param_groups if any(p is q for q in g["params"]))
        levels = StepScalars(group).levels(int(state["step"]) - 1, state["m_1"].dtype)
        m, v = state[f"m_{len(levels)}"], state[f"v_{len(levels)}"]
        return levels[-1].correction * m / (v.sqrt() + effective_eps(group, v.dtype))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what ``state_dict`` returned; m and v keep the precision of their dtype.

        Args:
            state_dict: of a ``KAdam`` with the same parameters. Its groups' options replace this
                optimizer's; an option that is newer than the dict takes its default.

        Raises:
            TypeError: an option of the wrong type.
            ValueError: the dict is another optimizer's, has an option that this one does not
                know, or does not fit the parameters.
        """
        # torch would cast m and v to the parameter's dtype. So they are taken from the dict that
        # the user's own hooks leave, and put in place before the user's hooks see the result.
        restored: dict[Tensor, dict[str, Any]] = {}

        def take(_: Optimizer, final: dict[str, Any]) -> dict[str, Any]:
            groups, state = [], dict(final["state"])
            for i, saved in enumerate(final["param_groups"]):
                own = self.param_groups[i] if i < len(self.param_groups) else {"params": []}
                refuse_saved_group(saved, OPTIONS.keys() | own.keys())
                groups.append(complete_group(saved, DEFAULTS, OPTIONS))
                for p, name in zip(own["params"], saved["params"], strict=False):
                    if of_p := state.pop(name, None):
                        restored[p] = restored_state(p, groups[-1], of_p)
            return {**final, "state": state, "param_groups": groups}

        def put(_: Optimizer) -> None:
            self.state.update(restored)

        with (
            self.register_load_state_dict_pre_hook(take),
            self.register_load_state_dict_post_hook(put, prepend=True),
        ):
            super().load_state_dict(state_dict)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({"capturable": False, **state})  # a pickle may be older than that
        self._layout = Layout(self.capturable)
        # torch has added an option to the defaults that KAdam refuses, and a pickle may lack one
        # that is newer than it.
        self.defaults = {name: self.defaults.get(name, x) for name, x in DEFAULTS.items()}
        for group in self.param_groups:
            group.update(DEFAULTS | group)

    def __getstate__(self) -> dict[str, Any]:
        own = ("compiled", "capturable", "track_max_update", "max_update")
        return super().__getstate__() | {name: getattr(self, name) for name in own}


DEFAULTS = _OF_GROUPS_ALONE | {
    name: parameter.default
    for name, parameter in inspect.signature(KAdam).parameters.items()
    if name in OPTIONS
}


def _is_captured() -> bool:
    # A process that has not used CUDA is not asked: that would make a context on a GPU.
    return torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing()
