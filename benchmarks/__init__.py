"""Measurements: `python -m pytest benchmarks --benchmark-only`, `python -m benchmarks.compare`, `… .campaigns`."""
