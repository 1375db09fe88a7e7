"""Runs tests in a Debian 13 machine under QEMU, with that machine's own engine."""
