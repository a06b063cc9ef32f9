"""What the tests of training share."""

from functools import cache

import pytest

from adamct.config.compose import compose_sweep
from adamct.train import Training


@cache  # a sweep is frozen, and takes longer to compose than to train for some steps
def composed(*overrides):
    return compose_sweep(overrides, sweep=False)


@pytest.fixture
def training():
    """Return a factory: overrides → the training of the one run that they name."""

    def make(*overrides):
        sweep = composed(*overrides)
        dirs = {"data_dir": sweep.data_dir, "cache_dir": sweep.cache_dir}
        return Training(sweep[0].spec, sweep.execution, **dirs)

    return make
