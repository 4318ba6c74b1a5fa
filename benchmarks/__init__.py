"""What this package costs, relative to doing without it: ``python -m benchmarks``."""
