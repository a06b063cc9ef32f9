"""What is recorded: a function for each entry of ``config.observables``, under the same name.

Line n of a record holds what is known at θ_n. Some observables look at the model before the step
(and once more after the last, at θ_N), the others at the step.
"""

from adamct.train.observables import basic, displacements, heads
from adamct.train.observables.measure import FUNCTIONS, drain, observe

__all__ = ["FUNCTIONS", "basic", "displacements", "drain", "heads", "observe"]
