"""What ``scripts/bench.py`` measures.

- ``timing``: things timed in turn, and the table of ratios with their limits;
- ``nanogpt``: the baseline, a GPT and its step in plain torch;
- ``workloads``: runs of the product on data made up on the spot;
- ``cpu``: the promises of ``make bench``;
- ``gpu``: a package: everything that some minutes on one GPU can settle;
- ``images``, ``solvers``: the loader of images, and the schemes of Equation (4).
"""
