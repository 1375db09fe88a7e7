"""Cells that an OCI runtime (crun or runc) makes with no daemon in between."""
