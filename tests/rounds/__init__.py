"""Runs the tests whose outcome depends on a clock, again and again, on a machine with other work."""
