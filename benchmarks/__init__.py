"""Benchmarks of cellblock and of the tools it is compared with: `make bench`, or `python -m benchmarks`."""
