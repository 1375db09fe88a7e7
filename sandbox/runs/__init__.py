"""The runs of a job: one program, compiled once, and run with each of several inputs in a cell of its own."""
