"""What every worker process needs, loaded once: workers are forked from the process that did so.

Nothing else imports this module, for importing it has effects.
"""

import signal

# Ctrl-C reaches every process of a terminal. The one that started the sweep ends the others.
signal.signal(signal.SIGINT, signal.SIG_IGN)

import torch  # noqa: E402

import adamct.runs.runner  # noqa: E402, F401

# With its first optimizer, torch loads its compiler, which takes as long as torch itself.
torch.optim.SGD([torch.zeros(1)])
