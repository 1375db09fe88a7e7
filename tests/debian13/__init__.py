"""A Debian 13 machine of our own, under qemu, and the tests that run in it against its own engine."""
