"""Cells that are containers of Docker Engine."""
