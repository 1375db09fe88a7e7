"""The legacy mode: commands run directly on the worker's host, which isolates nothing."""
