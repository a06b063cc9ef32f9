"""Quantities measured on records: once, for figures, claims and tracking.

- ``growth``, ``violations``: the max-update, its slopes, the bounds that it exceeds; ``levels``:
  those of k-Adam.
- ``losses``: test losses along a curve; ``grids``: scores of a sweep of optimizers; ``choice``:
  each one's best point on pilot seeds; ``sequential``: looks at a growing number of seeds.
- ``norms``, ``directions``: scale-invariant weights; ``trajectories``: distances between paths.
- ``statistics``: intervals over seeds.
"""
