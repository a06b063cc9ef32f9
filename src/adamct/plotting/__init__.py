"""The look of the figures, and the panels that they share."""
