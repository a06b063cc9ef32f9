"""What a run costs: its floating-point operations, counted on a model without memory.

The operations are those of the matrix products and convolutions of the forward and backward
passes, as ``torch.utils.flop_counter`` counts them on the meta device; the optimizer's own are
bound by memory, not by arithmetic, and are left out.
"""

from __future__ import annotations

from functools import lru_cache, partial

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from adamct.config.architectures import TextModelSpec
from adamct.config.data_sets import TextData
from adamct.config.spec import RunSpec, TaskSpec
from adamct.continuous.schemes import SCHEMES
from adamct.data.catalogue import IMAGE_SETS, VOCABULARIES, known
from adamct.models.network import Network


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
    if "heads_at_end" in spec.needs:  # trained once before
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
        images = known(IMAGE_SETS, spec.task.data.corpus)
        each = (images.n_test + share * images.n_train) / spec.task.batch_size
    return each * (-(-spec.n_steps // spec.evaluation.every) + 1)


@lru_cache
def _task_flops(task: TaskSpec) -> tuple[int, int]:
    """Return the operations of a batch: of its forward pass, and of its loss and gradient."""
    of_data, batch = _stand_in(task)
    model = task.model.build(**of_data).to("meta")
    with FlopCounterMode(display=False) as counter:
        loss = Network.loss(model, *batch)  # what the model itself takes, however it is computed
        forward = counter.get_total_flops()
        loss.backward()
    return forward, counter.get_total_flops()


def _stand_in(task: TaskSpec) -> tuple[dict[str, int], tuple[Tensor, Tensor]]:
    """Return what the model must know of its data, and a batch without memory.

    The task may be composed without its data.
    """
    labels = partial(torch.zeros, dtype=torch.int64, device="meta")
    if isinstance(task.data, TextData):
        assert isinstance(task.model, TextModelSpec)  # as the spec checks
        tokens = labels(task.batch_size, task.model.block_size)
        vocab_size = task.data.vocab_size or known(VOCABULARIES, task.data.corpus)
        return {"vocab_size": vocab_size}, (tokens, tokens)
    facts = known(IMAGE_SETS, task.data.corpus)
    images = torch.zeros(task.batch_size, facts.channels, facts.size, facts.size, device="meta")
    of_data = {"image_size": facts.size, "channels": facts.channels, "n_classes": facts.n_classes}
    return of_data, (images, labels(task.batch_size))
