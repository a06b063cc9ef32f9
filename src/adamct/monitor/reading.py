"""u_n of every parameter, read from what an optimizer keeps after its step.

torch's Adam: u = c m / (√v + ε √(1−β^t)), since torch adds ε after bias correction;
KAdam: u = c m / (√v + ε); both with c = √(1−β^t) / (1−γ^t), t the parameter's own step count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from adamct.monitor.group_statistics import GroupStatistics
from adamct.optim import KAdam, level_decays
from adamct.optim.update import effective_eps
from adamct.theory.bias_correction import bias_correction, one_minus_power

NamedParameters: TypeAlias = nn.Module | Mapping[str, Tensor] | Iterable[tuple[str, Tensor]]

# On a CPU a tensor is read in blocks that stay in its cache, three times as fast as whole.
_BLOCK = 1 << 15


@dataclass(frozen=True, eq=False)
class Entry:
    """One parameter at one level of its group: what has an ‖u_n‖∞ of its own."""

    param: Tensor
    name: str
    group: GroupStatistics


class Moments(NamedTuple):
    """What u_n of one entry is made of."""

    m: Tensor
    v: Tensor
    step: Tensor  # t = n + 1, a 0-d tensor wherever the optimizer keeps it
    beta: float
    gamma: float
    eps: float
    corrected_eps: bool  # ε is added after bias correction, as torch does


def entries_of(optimizer: Optimizer, names: Mapping[Tensor, str]) -> list[Entry]:
    """Every parameter with elements, once for each level, in the optimizer's order.

    Each comes with the statistics of its group at its level, which are made here.

    >>> weight = nn.Parameter(torch.zeros(3, 2))
    >>> entries = entries_of(KAdam([weight], k=2), {})
    >>> [(entry.name, entry.group.title) for entry in entries]  # doctest: +NORMALIZE_WHITESPACE
    [('parameter 0 of group 0 (3 x 2)', 'group 0, level 1 of 2'),
     ('parameter 0 of group 0 (3 x 2)', 'group 0, level 2 of 2')]
    """
    entries: list[Entry] = []
    for i, group in enumerate(optimizer.param_groups):
        k = len(pairs_of(group))
        titles = [f"group {i}" + f", level {level + 1} of {k}" * (k > 1) for level in range(k)]
        levels = [GroupStatistics(title, group, j) for j, title in enumerate(titles)]
        own = group.get("param_names") or [None] * len(group["params"])
        for j, (p, own_name) in enumerate(zip(group["params"], own, strict=True)):
            shape = " x ".join(map(str, p.shape)) or "a scalar"
            name = names.get(p) or own_name or f"parameter {j} of group {i} ({shape})"
            for level in levels if p.numel() > 0 else ():
                level.columns.append(len(entries))
                entries.append(Entry(p, name, level))
    return entries


def names_in(named: NamedParameters) -> dict[Tensor, str]:
    """The names of parameters: a model's, a mapping's, or those of (name, parameter) pairs.

    >>> list(names_in(nn.Linear(1, 1)).values())
    ['weight', 'bias']
    """
    if isinstance(named, nn.Module):
        named = named.named_parameters()
    elif isinstance(named, Mapping):
        named = named.items()
    return {p: name for name, p in named}


def pairs_of(group: Mapping[str, Any]) -> list[tuple[float | Tensor, float | Tensor]]:
    """(β_i, γ_i) of each level of a parameter group; torch's Adam has one.

    >>> pairs_of({"betas": (0.9, 0.999)})
    [(0.999, 0.9)]
    """
    if "betas" in group:
        gamma, beta = group["betas"]
        return [(beta, gamma)]
    return list(zip(*level_decays(group), strict=True))


def moments_of(entry: Entry, optimizer: Optimizer, took_part: bool) -> Moments:
    """The moments of an entry; at t = 0 where its parameter took no part in the last step."""
    state, group = optimizer.state.get(entry.param), entry.group.options
    if not state or not took_part:
        nothing = torch.zeros((), device=entry.param.device)
        return Moments(nothing, nothing, torch.zeros(()), *entry.group.pair, 0.0, False)
    if isinstance(optimizer, KAdam):
        m, v = (state[f"{of}_{entry.group.level + 1}"] for of in "mv")
        return Moments(m, v, state["step"], *entry.group.pair, effective_eps(group, m.dtype), False)
    v = state["max_exp_avg_sq" if group["amsgrad"] else "exp_avg_sq"]
    return Moments(state["exp_avg"], v, state["step"], *entry.group.pair, group["eps"], True)


def max_updates(moments: Sequence[Moments]) -> Tensor:
    """‖u_n‖∞ of each entry with its step count t, without waiting for the device.

    Args:
        moments: one for each entry; the update is 0 at t = 0.

    Returns:
        A tensor of shape (2, entries) on the moments' device: the norms and t.

    >>> m, v = torch.tensor([0.1, -0.2]), torch.tensor([0.001, 0.004])  # after g = (1, -2)
    >>> max_updates([Moments(m, v, torch.tensor(t), 0.999, 0.9, 0.0, True) for t in (1.0, 0.0)])
    tensor([[1.0000, 0.0000],
            [1.0000, 0.0000]])
    """
    t = _on_one_device([x.step for x in moments])
    t = t.to(torch.float32 if t.device.type == "mps" else torch.float64)  # mps has no float64
    β, γ, ε, is_corrected = (
        torch.tensor(column, dtype=t.dtype).to(t.device, non_blocking=True)
        for column in zip(*(x[3:] for x in moments), strict=True)
    )
    correction = bias_correction(t, β, γ, torch)  # on the device
    ε = torch.where(is_corrected > 0, ε * one_minus_power(β, t, torch).sqrt(), ε)

    norms = [_max_ratio(x.m, x.v, ε_x) for x, ε_x in zip(moments, ε.unbind(), strict=True)]
    u = _on_one_device(norms)
    u = u * correction.to(u, non_blocking=True)
    t = t.to(u, non_blocking=True)
    # t = 0 also where GradScaler kept a fused optimizer from its first step
    return torch.stack([torch.where(t > 0, u, 0), t])


def _max_ratio(m: Tensor, v: Tensor, ε: Tensor) -> Tensor:
    """Largest |m / (√v + ε)|, in float32 at least."""
    if m.is_complex():  # real and imaginary parts are normalized each for itself
        m, v = torch.view_as_real(m), torch.view_as_real(v)
    if m.itemsize < 4:
        m, v = m.float(), v.float()
    if m.device.type != "cpu" or m.numel() <= _BLOCK:
        return (m / v.sqrt().add_(ε)).abs_().amax()
    rows = max(1, _BLOCK // m[0].numel())
    v = v.expand(len(m), *v.shape[1:])  # under tensor_mean it may have size 1
    blocks = zip(m.split(rows), v.split(rows), strict=True)
    return torch.stack([(m_ / v_.sqrt().add_(ε)).abs_().amax() for m_, v_ in blocks]).amax()


def _on_one_device(scalars: Sequence[Tensor]) -> Tensor:
    """One vector on the first accelerator among them: to bring one to the CPU would wait for it."""
    devices = [x.device for x in scalars]
    device = next((x for x in devices if x.type != "cpu"), devices[0])
    return torch.stack([x.to(device, non_blocking=True) for x in scalars])
