"""Quantities measured on records: once, for figures, claims and tracking.

- ``growth``, ``violations``: the max-update, its slopes, the bounds that it exceeds.
- ``losses``: test losses along a curve; ``grids``: the best points of a sweep of optimizers.
- ``norms``, ``directions``: scale-invariant weights; ``trajectories``: distances between paths.
- ``statistics``: bootstrap intervals.
"""
