"""Makes one small fault (a mutant) at a time in the product, and reports the faults that no test notices.

`python -m tests.mutation.cover` runs the suite and records which test runs which line, also in programs that
tests start. Then `python -m tests.mutation` makes the faults, and runs for each the tests that run its line.
"""
