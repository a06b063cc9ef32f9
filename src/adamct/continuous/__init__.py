"""Adam in continuous time: Equation (4), and schemes that solve it (Appendix I).

- ``equation``: Equations (2) to (4) as pure functions of a point (t, θ, ψ, m, v).
- ``objective``: the loss and its gradient as functions of one flat vector.
- ``schemes``: one substep Δt; the paper's Euler, and an exponential scheme of order 4.
- ``trajectory``: ``solve``, which hands out the states at t_n = nη one by one.
"""

from adamct.continuous.schemes import SCHEMES, Scheme
from adamct.continuous.trajectory import Trajectory, TrajectoryState, solve

__all__ = ["SCHEMES", "Scheme", "Trajectory", "TrajectoryState", "solve"]
