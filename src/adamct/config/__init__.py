"""YAML → frozen specifications: one border, crossed once."""
