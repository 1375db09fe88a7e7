"""The tests: unit tests, and tests with real engines, a real Redis and real workers."""
