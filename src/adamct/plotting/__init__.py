"""The look of the figures, the panels that they share, and what draws them.

- ``registry``: which figures there are, and what they read; ``source``: where the records are.
- ``render``: draws a figure and judges its claims; ``rendered``: the file that says what came out.
- ``style``: one look for all; ``plane``: the (β, γ) plane; ``panels``, ``loss_panels``,
  ``sweep_panels``: panels that several figures share.
- ``no_backend``: imports matplotlib whatever ``MPLBACKEND`` says.
"""
