"""`python -m cli`, for a host where the scripts of the venv are not on the PATH."""

from cli import main

main()
