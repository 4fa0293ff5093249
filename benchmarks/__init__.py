"""Measurements whose figures stand in docs/; each module is a command: python -m benchmarks.NAME --help."""
