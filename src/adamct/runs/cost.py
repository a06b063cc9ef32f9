"""What a run costs: its floating-point operations, counted on a model without memory.

The operations are those of the matrix products and convolutions of the forward and backward
passes, as ``torch.utils.flop_counter`` counts them on the meta device; the optimizer's own are
bound by memory, not by arithmetic, and are left out.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from adamct.config.spec import CNNSpec, GPTSpec, RunSpec, TaskSpec
from adamct.continuous.schemes import SCHEMES
from adamct.models import CNN, GPT, CNNConfig, GPTConfig
from adamct.train.observables import LOOK_AHEAD

# What a model must know of data that a specification may be composed without.
VOCABULARY = {"c4": 50257, "shakespeare": 65, "pydoc_topics": 103}  # the last on Python 3.11
PICTURES = {"cifar10": (32, 3, 10), "digits": (8, 1, 10)}  # size, channels, classes
HELD_OUT = {"cifar10": (10_000, 50_000), "digits": (359, 1438)}  # pictures: test, train


def run_flops(spec: RunSpec) -> float:
    """Return the floating-point operations of a run: steps, look-ahead, Eq. (4), evaluations.

    Args:
        spec: of the run; it may have been composed without its data.

    Returns:
        A number of operations, a multiplication and an addition counting as two.

    Example:
        >>> from adamct.config.compose import compose_sweep
        >>> [point] = compose_sweep(["scale=paper"], sweep=False, with_data=False)
        >>> n_parameters, tokens = 30.0e6, 64 * 256
        >>> 0.9 < run_flops(point.spec) / (point.spec.n_steps * 6 * n_parameters * tokens) < 1.3
        True
    """
    forward, gradient = _task_flops(spec.task)
    gradients = spec.n_steps
    if set(LOOK_AHEAD) & set(spec.observe):
        gradients *= 2
    if spec.continuous is not None:
        a_substep = SCHEMES[spec.continuous.scheme].gradients
        gradients += spec.n_steps * spec.continuous.n_substeps * a_substep
    return gradients * gradient + _evaluations(spec) * forward


def _evaluations(spec: RunSpec) -> float:
    """Count the forward passes of all evaluations, in training batches."""
    if spec.evaluation is None:
        return 0.0
    share = spec.task.data.validation_fraction
    if spec.evaluation.n_batches is not None:
        each = float(spec.evaluation.n_batches * (1 + (share > 0)))
    else:
        test, train = HELD_OUT[spec.task.data.corpus]
        each = (test + share * train) / spec.task.batch_size
    return each * (-(-spec.n_steps // spec.evaluation.every) + 1)


@lru_cache
def _task_flops(task: TaskSpec) -> tuple[int, int]:
    """Return the operations of a batch: of its forward pass, and of its loss and gradient."""
    model, batch = _model_and_batch(task)
    model.to("meta")
    with FlopCounterMode(display=False) as counter:
        loss = model.loss(*batch)
        forward = counter.get_total_flops()
        loss.backward()
    return forward, counter.get_total_flops()


def _model_and_batch(task: TaskSpec) -> tuple[GPT | CNN, tuple[Tensor, Tensor]]:
    if isinstance(task.model, GPTSpec):
        vocabulary = getattr(task.data, "vocab_size", None) or VOCABULARY[task.data.corpus]
        config = GPTConfig(vocab_size=vocabulary, **task.model.model_dump(exclude={"kind"}))
        tokens = torch.zeros(task.batch_size, config.block_size, dtype=torch.int64, device="meta")
        return GPT(config), (tokens, tokens)
    assert isinstance(task.model, CNNSpec)
    size, channels, n_classes = PICTURES[task.data.corpus]
    shape = CNNConfig(size, channels, n_classes, **task.model.model_dump(exclude={"kind"}))
    pictures = torch.zeros(task.batch_size, channels, size, size, device="meta")
    return CNN(shape), (pictures, torch.zeros(task.batch_size, dtype=torch.int64, device="meta"))
