"""Run folders, one run, a sweep of them, and what they cost."""
