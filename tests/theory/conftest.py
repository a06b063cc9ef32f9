"""Adam in plain float64, line by line, as the reference that the theory speaks about."""

from collections.abc import Callable

import numpy as np
import pytest


def adam_updates(gradients: np.ndarray, beta: float, gamma: float) -> np.ndarray:
    """u_0 … u_N for g_0 … g_N on the first axis, with ε = 0; 0 where nothing has been seen yet."""
    m, v = np.zeros_like(gradients[0]), np.zeros_like(gradients[0])
    updates = np.empty_like(gradients)
    for n, g in enumerate(gradients):
        m = gamma * m + (1 - gamma) * g
        v = beta * v + (1 - beta) * g**2
        ratio = np.divide(m, np.sqrt(v), out=np.zeros_like(m), where=v > 0)
        updates[n] = np.sqrt(1 - beta ** (n + 1)) / (1 - gamma ** (n + 1)) * ratio
    return updates


@pytest.fixture(scope="session", name="adam_updates")
def _adam_updates() -> Callable[[np.ndarray, float, float], np.ndarray]:
    return adam_updates
