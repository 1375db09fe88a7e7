"""Compiles modules of Python. Run by the Python of an image, so it imports nothing of cellblock.

Arguments: the root of the sources, the root of the results, and a file with the modules' paths in the image.
"""

import py_compile
import sys
from importlib.util import cache_from_source
from pathlib import Path


def main(root: str, results: str, paths: str) -> None:
    """Compile each module. One that is no valid Python, such as a template, is left out."""
    for path in Path(paths).read_text().splitlines():
        # A file that is never checked against its source depends on no time.
        py_compile.compile(
            f"{root}{path}",
            cfile=f"{results}{cache_from_source(path)}",
            dfile=path,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            quiet=2,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
