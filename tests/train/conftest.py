"""What the tests of training share."""

import pytest

from adamct.config.compose import compose_sweep
from adamct.train import Training


@pytest.fixture
def training():
    """Return a factory: overrides → the training of the one run that they name."""

    def make(*overrides):
        sweep = compose_sweep(overrides, sweep=False)
        dirs = {"data_dir": sweep.data_dir, "cache_dir": sweep.cache_dir}
        return Training(sweep[0].spec, sweep.execution, **dirs)

    return make
