"""The look of the figures, the panels that they share, and what draws them."""
