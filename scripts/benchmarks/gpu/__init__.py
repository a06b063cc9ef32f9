"""What some minutes on one GPU can settle: correctness, then speed, then a piece of Figure 3.

- ``processes``: the blocks in their order, each in a process of its own; the table at the end;
- ``results``: the sizes that a block is given, and what it gives back;
- ``correctness``, ``speed``, ``packing``, ``figure_3``: the blocks.
"""
