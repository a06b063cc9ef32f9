"""The state of k-Adam, laid out flat: m_i and v_i of many small parameters in one vector each.

Each parameter's state is ``{"step": n, "m_1": …, "v_1": …, …, "m_k": …, "v_k": …}``, plain tensors
as torch's wrappers expect them. Most are views of vectors, on which a step is computed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from operator import is_
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import Parameter

from adamct.optim.options import refuse_gradient
from adamct.optim.update import mean_dims

# Smaller parameters share vectors. From this size on the call of an operation costs less than its
# work, and gathering would only add memory traffic.
SMALL = 2**17  # elements

State: TypeAlias = MutableMapping[Tensor, dict[str, Any]]
Group: TypeAlias = dict[str, Any]


class Bucket:
    """Parameters that have always stepped together, with their state in vectors.

    Several parameters have their moments in vectors, one parameter after another, each in its own
    order in memory. The parameters and their gradients stay where their owner put them: a step
    gathers the gradients and scatters the update, unless ``flatten`` has joined them already. One
    parameter alone is updated where it lies.

    Args:
        params: one parameter, or several of one dtype and device.
        states: what the optimizer keeps of each; views of the vectors take the place of their own
            tensors.
        n: the steps that all of them have taken.
        capturable: whether they are counted on the parameters' device.

    Attributes:
        params: the parameters.
        n: the steps so far, without those that a CUDA graph has replayed.
        step: the steps so far, a 0-d tensor that all the states hold.
        m: k first moments, vectors or of the one parameter's shape.
        v: k second moments likewise.

    >>> params = [torch.ones(2, 3), torch.zeros(4)]
    >>> group = {"k": 1, "state_dtype": None, "second_moment": "elementwise"}
    >>> states = [initial_state(p, group) for p in params]
    >>> Bucket(params, states, 0).m[0].shape, states[0]["m_1"].shape
    (torch.Size([10]), torch.Size([2, 3]))
    """

    def __init__(
        self,
        params: Sequence[Tensor],
        states: Sequence[dict[str, Any]],
        n: int,
        capturable: bool = False,
    ) -> None:
        self.params, self.n = list(params), n
        self.step = torch.full((), float(n), device=params[0].device if capturable else "cpu")
        for state in states:
            state["step"] = self.step
        # As dense tensors, which a parameter with gaps is not.
        self._strides = [torch.empty_like(p, device="meta").stride() for p in params]
        self.m, self.v = (
            [self._vector(f"{of}_{i + 1}", states) for i in range(n_levels(states[0]))]
            for of in "mv"
        )
        self._states = list(states)
        self._tensors: list[dict[str, Tensor]] = [dict(state) for state in states]
        self._grads = [p.grad for p in params]
        self._theta: Tensor | None = None
        self._gradient: Tensor | None = None
        self._out: Tensor | None = None
        if len(params) > 1:
            self._theta, self._gradient = _joined(self.params), _joined(self._grads)

    def _vector(self, name: str, states: Sequence[dict[str, Any]]) -> Tensor:
        if len(states) == 1:
            return states[0][name]
        vector = self._cat([state[name] for state in states])
        for state, view in zip(states, self._views(vector), strict=True):
            state[name] = view
        return vector

    def is_held_by(self, state: State) -> bool:
        """Whether the optimizer still keeps these very tensors, and not a checkpoint's, say."""
        return all(
            state.get(p) is of_p and all(of_p[name] is x for name, x in tensors.items())
            for p, of_p, tensors in zip(self.params, self._states, self._tensors, strict=True)
        )

    def dissolve(self) -> None:
        """Give each parameter tensors of its own again, where the state still has the views."""
        if len(self.params) > 1:
            for of_p, tensors in zip(self._states, self._tensors, strict=True):
                for name, x in tensors.items():
                    if x is of_p.get(name):
                        of_p[name] = x.clone()

    def gather(self, with_theta: bool) -> tuple[Tensor | None, Tensor, Tensor | None]:
        """θ, g and ``out`` of ``kadam_update``.

        Args:
            with_theta: whether θ is needed where the step goes to ``out``.

        Returns:
            The one parameter and its gradient, or vectors of several. Without ``out`` the step is
            to be taken in θ; else it replaces the gradients gathered there.
        """
        if len(self.params) == 1:
            return self.params[0], self.params[0].grad, None  # type: ignore[return-value]
        if self._gradient is not None and self._is_joined():
            return self._theta, self._gradient, None
        if self._out is None:
            self._out = torch.empty_like(self.m[0])
            self._parts = self._views(self._out)
        for part, p in zip(self._parts, self.params, strict=True):
            part.copy_(p.grad)  # type: ignore[arg-type]
        return self._cat(self.params) if with_theta else None, self._out, self._out

    def _is_joined(self) -> bool:
        if self._theta is None:
            return False
        at, at_g = self._theta.data_ptr(), self._gradient.data_ptr()  # type: ignore[union-attr]
        for p, g in zip(self.params, self._grads, strict=True):
            if p.grad is not g or p.data_ptr() != at or g.data_ptr() != at_g:  # type: ignore[union-attr]
                return False
            at, at_g = at + p.nbytes, at_g + p.nbytes
        return True

    def end_step(self, out: Tensor | None) -> None:
        """Subtract what a step has left in ``out``, if anything, from the parameters; n ← n + 1."""
        if out is not None:
            for p, part in zip(self.params, self._parts, strict=True):
                p.sub_(part)
        self.n += 1
        self.step.add_(1)  # by the device, where it lies there

    def _cat(self, tensors: Sequence[Tensor]) -> Tensor:
        return torch.cat([_flat(t, s) for t, s in zip(tensors, self._strides, strict=True)])

    def _views(self, vector: Tensor) -> list[Tensor]:
        parts = vector.split([p.numel() for p in self.params])
        return [
            part.as_strided(p.shape, strides, part.storage_offset())
            for p, part, strides in zip(self.params, parts, self._strides, strict=True)
        ]


def flatten(params: Iterable[Tensor]) -> Tensor:
    """Join parameters in memory, and give them gradients that are joined likewise.

    A step over joined parameters is one over a vector. For a training loop that owns them: it
    zeroes the gradients by ``zero_grad(set_to_none=False)``, so that they stay joined.

    Args:
        params: of one dtype and device, with their elements in the order of their dimensions.

    Returns:
        The gradients as one vector, zero.

    >>> params = [torch.nn.Parameter(torch.ones(n)) for n in (2, 3)]
    >>> gradients = flatten(params)
    >>> (2 * params[0].sum() + params[1].sum()).backward()
    >>> gradients
    tensor([2., 2., 1., 1., 1.])
    """
    params = list(params)
    sizes = [p.numel() for p in params]
    theta = torch.cat([p.detach().reshape(-1) for p in params])
    gradients = torch.zeros_like(theta)
    for p, values, g in zip(params, theta.split(sizes), gradients.split(sizes), strict=True):
        p.data, p.grad = values.view(p.shape), g.view(p.shape)
    return gradients


def _joined(tensors: Sequence[Tensor | None]) -> Tensor | None:
    """One vector over tensors that follow each other in memory, as ``flatten`` leaves them."""
    first = tensors[0]
    if first is None:
        return None
    storage, at = first.untyped_storage().data_ptr(), first.data_ptr()
    for t in tensors:
        if t is None or not t.is_contiguous() or t.data_ptr() != at:
            return None
        if t.untyped_storage().data_ptr() != storage:
            return None
        at += t.nbytes
    n = sum(t.numel() for t in tensors if t is not None)
    return first.detach().as_strided((n,), (1,), first.storage_offset())


def _flat(t: Tensor, strides: Sequence[int]) -> Tensor:
    """The elements of t in the order of these strides."""
    if t.stride() != strides or not t.is_contiguous():
        t = t.permute(sorted(range(t.ndim), key=lambda dim: strides[dim], reverse=True))
    return t.reshape(-1)


class Layout:
    """The buckets of an optimizer: one for all small parameters that have always stepped together.

    >>> params = [torch.nn.Parameter(torch.zeros(n)) for n in (2, 3, 4)]
    >>> group = {"params": params, "k": 1, "state_dtype": None, "second_moment": "elementwise"}
    >>> layout, state = Layout(), {}
    >>> for p in params:
    ...     p.grad = torch.ones_like(p)
    >>> [len(bucket.params) for _, bucket in layout.of_step([group], state)]
    [3]
    >>> params[2].grad = None
    >>> [len(bucket.params) for _, bucket in layout.of_step([group], state)]
    [2]
    """

    def __init__(self, capturable: bool = False) -> None:
        self._capturable = capturable
        self._buckets: list[tuple[Group, Bucket]] = []
        self._now: list[tuple[Group, Bucket]] = []
        self._moving: list[Tensor] = []
        self._resting: list[Tensor] = []
        self._kept: list[Any] = []
        self._members: list[Any] = []

    def of_step(self, groups: Sequence[Group], state: State) -> list[tuple[Group, Bucket]]:
        """Each bucket that takes the next step, with its group; their parameters have gradients.

        Args:
            groups: the optimizer's parameter groups.
            state: what it keeps of each parameter; the first state comes with the first gradient.

        Raises:
            RuntimeError: a sparse or complex gradient; no parameter has been changed then.
        """
        if not self._is_current(groups, state):
            self._arrange(groups, state)
        return self._now

    def _is_current(self, groups: Sequence[Group], state: State) -> bool:
        # Every step passes here, so it costs a few microseconds and no hash of a tensor.
        for p in self._moving:
            if p.grad is None or p.grad.layout is not torch.strided:
                return False
        for p in self._resting:
            if p.grad is not None and p.numel() > 0:
                return False
        return _are_same(self._members, _members(groups)) and _are_same(self._kept, _kept(state))

    def _arrange(self, groups: Sequence[Group], state: State) -> None:
        params = [p for group in groups for p in group["params"]]
        owner_of = {id(p): group for group in groups for p in group["params"]}
        moving = {id(p): p for p in params if p.grad is not None and p.numel() > 0}
        for p in moving.values():
            refuse_gradient(p.grad)
        self._moving = list(moving.values())
        self._resting = [p for p in params if id(p) not in moving]
        kept = []
        for group, bucket in self._buckets:
            n_moving = sum(id(p) in moving for p in bucket.params)
            owned = all(owner_of.get(id(p)) is group for p in bucket.params)
            if owned and n_moving in (0, len(bucket.params)) and bucket.is_held_by(state):
                kept.append((group, bucket))
            else:  # so that ages and groups do not mix
                bucket.dissolve()
        self._buckets = kept
        for _, bucket in self._buckets:
            for p in bucket.params:
                moving.pop(id(p), None)
        alike: dict[tuple[Any, ...], list[Tensor]] = defaultdict(list)
        for p in moving.values():
            group = owner_of[id(p)]
            n = int(state[p]["step"]) if state.get(p) else 0
            state[p] = of_p = state.get(p) or initial_state(p, group)
            shared = type(p) in (Tensor, Parameter) and mean_dims(p, group) is None
            storage = p.untyped_storage() if shared else None
            if storage is not None and storage.nbytes() > p.nbytes:
                place = storage.data_ptr()  # perhaps joined by its owner
            else:
                place = 0 if shared and p.numel() < SMALL else id(p)
            alike[n, id(group), p.dtype, p.device, of_p["m_1"].dtype, place].append(p)
        for (n, *_), together in alike.items():
            states = [state[p] for p in together]
            bucket = Bucket(together, states, n, self._capturable)
            self._buckets.append((owner_of[id(together[0])], bucket))
        stepping = {id(p) for p in self._moving}
        self._now = [(g, b) for g, b in self._buckets if id(b.params[0]) in stepping]
        self._kept, self._members = _kept(state), _members(groups)


def _members(groups: Sequence[Group]) -> list[Any]:
    """Every group and every parameter, in their order."""
    return [x for group in groups for x in (group, *group["params"])]


def _kept(state: State) -> list[Any]:
    """Every dict and every tensor of the state, in its order."""
    return [x for of_p in state.values() for x in (of_p, *of_p.values())]


def _are_same(mine: Sequence[Any], others: Sequence[Any]) -> bool:
    return len(mine) == len(others) and all(map(is_, mine, others))


def initial_state(p: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
    """The state before the parameter's first step: zeros, laid out in memory like it.

    Args:
        p: the parameter.
        group: its group.

    Returns:
        "step", 0 as a 0-d tensor on the CPU, and "m_1", "v_1", …, "m_k", "v_k". Under
        "tensor_mean" v_i has size 1 in the dimensions that are averaged.

    >>> group = {"k": 2, "state_dtype": None, "second_moment": "tensor_mean"}
    >>> state = initial_state(torch.zeros(4, 3, 2, dtype=torch.bfloat16), group)
    >>> state["m_2"].dtype, state["v_2"].shape
    (torch.float32, torch.Size([4, 1, 1]))
    """
    dtype = group["state_dtype"] or torch.promote_types(p.dtype, torch.float32)
    dims = mean_dims(p, group)
    state: dict[str, Any] = {"step": torch.tensor(0.0)}
    for i in range(1, group["k"] + 1):
        m = torch.zeros_like(p, dtype=dtype, requires_grad=False)
        v = m if dims is None else m.sum(dims, keepdim=True)
        state |= {f"m_{i}": m, f"v_{i}": torch.zeros_like(v)}
    return state


def n_levels(state: Mapping[str, Any]) -> int:
    """The number of levels k of a parameter's state.

    >>> n_levels({"step": 0, "m_1": 0, "v_1": 0, "m_2": 0, "v_2": 0})
    2
    """
    return next(i for i in range(len(state) + 1) if f"m_{i + 1}" not in state)


def restored_state(p: Tensor, group: Mapping[str, Any], saved: Mapping[str, Any]) -> dict[str, Any]:
    """A saved state in the dtypes and the memory layout that it has here.

    Args:
        p: the parameter.
        group: the group that the state was saved with.
        saved: the parameter's entry in a state_dict; version 0.1 kept lists under "m" and "v",
            and its "step" was an int.

    Returns:
        The state.

    Raises:
        ValueError: a moment is missing or has another shape than the parameter needs.

    >>> group = {"state_dtype": torch.float64, "second_moment": "elementwise"}
    >>> saved = {"step": 3, "m": [torch.ones(2)], "v": [torch.ones(2)]}
    >>> restored_state(torch.zeros(2), group, saved)["m_1"]
    tensor([1., 1.], dtype=torch.float64)
    """
    given = dict(saved)
    for of in "mv":
        given |= {f"{of}_{i}": x for i, x in enumerate(given.pop(of, ()), start=1)}
    fresh = initial_state(p, {**group, "k": n_levels(given)})
    fresh["step"].fill_(given.pop("step"))
    for name, to in fresh.items():
        if name == "step":
            continue
        moment = given.pop(name)
        if moment.shape != to.shape:
            raise ValueError(
                f"{name} in the state_dict has shape {tuple(moment.shape)}, a parameter of shape "
                f"{tuple(p.shape)} needs {tuple(to.shape)}; load it into an optimizer over the "
                "same parameters, in the same order"
            )
        to.copy_(moment.detach())
    return {**given, **fresh}
