"""The tests: units beside real engines, a real Redis and real workers."""
