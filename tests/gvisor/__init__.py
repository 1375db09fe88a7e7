"""Runs tests in gVisor, with a Docker Engine of its own and with no daemon."""
