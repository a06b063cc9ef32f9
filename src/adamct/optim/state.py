"""The state of one parameter: ``{"step": n, "m": [m_1, …, m_k], "v": [v_1, …, v_k]}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def mean_dims(p: Tensor) -> tuple[int, ...]:
    """The dimensions that "tensor_mean" averages: the last two, all of them below three.

    >>> mean_dims(torch.zeros(4, 3, 2)), mean_dims(torch.zeros(3, 2)), mean_dims(torch.zeros(2))
    ((1, 2), (0, 1), (0,))
    """
    return tuple(range(p.ndim))[-2:]


def initial_state(p: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
    """The state before the parameter's first step: zeros, laid out in memory like it.

    Args:
        p: the parameter.
        group: its group.

    Returns:
        "step" (int), "m" and "v" (lists of k tensors). Under "tensor_mean" v_i has size 1 in the
        dimensions that are averaged.

    >>> group = {"k": 2, "state_dtype": None, "second_moment": "tensor_mean"}
    >>> state = initial_state(torch.zeros(4, 3, 2, dtype=torch.bfloat16), group)
    >>> state["m"][1].dtype, state["v"][1].shape
    (torch.float32, torch.Size([4, 1, 1]))
    """
    dtype = _dtype(p, group)
    m = [torch.zeros_like(p, dtype=dtype) for _ in range(group["k"])]
    if group["second_moment"] == "elementwise":
        v = [torch.zeros_like(p, dtype=dtype) for _ in range(group["k"])]
    else:
        v = [m_i.sum(mean_dims(p), keepdim=True) for m_i in m]
    return {"step": 0, "m": m, "v": v}


def check_shapes(p: Tensor, group: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
    """Refuse a saved state whose moments have another shape than the parameter's.

    Args:
        p: the parameter.
        group: the group that the state was saved with.
        saved: the parameter's entry in a state_dict.

    Raises:
        ValueError: with both shapes.

    >>> saved = {"step": 1, "m": [torch.ones(3)], "v": [torch.ones(3)]}
    >>> check_shapes(torch.zeros(3), {"second_moment": "elementwise"}, saved)
    """
    means = mean_dims(p) if group["second_moment"] == "tensor_mean" else ()
    reduced = tuple(1 if dim in means else size for dim, size in enumerate(p.shape))
    for name, shape in (("m", tuple(p.shape)), ("v", reduced)):
        for level, moment in enumerate(saved[name], start=1):
            if tuple(moment.shape) != shape:
                raise ValueError(
                    f"{name}_{level} in the state_dict has shape {tuple(moment.shape)}, a "
                    f"parameter of shape {tuple(p.shape)} needs {shape}; load it into an "
                    "optimizer over the same parameters, in the same order"
                )


def restored_state(p: Tensor, group: Mapping[str, Any], saved: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a saved state, in the group's dtype, on the parameter's device, laid out like it.

    Args:
        p: the parameter.
        group: its group.
        saved: the parameter's entry in a state_dict.

    Returns:
        The state.

    >>> group = {"state_dtype": torch.float64}
    >>> saved = {"step": 3, "m": [torch.ones(2)], "v": [torch.ones(2)]}
    >>> restored_state(torch.zeros(2), group, saved)["m"]
    [tensor([1., 1.], dtype=torch.float64)]
    """
    dtype = _dtype(p, group)

    def like_p(t: Tensor) -> Tensor:
        if t.shape != p.shape:  # v under "tensor_mean"
            return t.detach().to(p.device, dtype, copy=True)
        return torch.empty_like(p, dtype=dtype, requires_grad=False).copy_(t.detach())

    return {**saved, "m": [like_p(t) for t in saved["m"]], "v": [like_p(t) for t in saved["v"]]}


def _dtype(p: Tensor, group: Mapping[str, Any]) -> torch.dtype:
    return group["state_dtype"] or torch.promote_types(p.dtype, torch.float32)
