"""Puts one small fault at a time into the product, and tells which ones no test notices.

`python -m tests.mutation.cover` runs the suite and notes which test runs which line, in the programs that
tests start too. `python -m tests.mutation` then makes the faults, each against the tests that run its line.
"""
