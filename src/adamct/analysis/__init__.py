"""Quantities measured on records: once, for figures, claims and tracking."""
