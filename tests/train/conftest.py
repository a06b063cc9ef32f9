"""What the tests of training share."""

import pytest

from adamct.train import Training


@pytest.fixture
def training(composed):
    """Return a factory: overrides → the training of the one run that they name."""

    def make(*overrides):
        sweep = composed(*overrides, sweep=False)
        dirs = {"data_dir": sweep.data_dir, "cache_dir": sweep.cache_dir}
        return Training(sweep[0].spec, sweep.execution, **dirs)

    return make
