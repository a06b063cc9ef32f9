"""What every worker process needs, loaded once: workers are forked from the process that did so.

Only they import this module.
"""

import torch

import adamct.runs.runner  # noqa: F401

# With its first optimizer, torch loads its compiler, which takes as long as torch itself.
torch.optim.SGD([torch.zeros(1)])
