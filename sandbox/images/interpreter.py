"""The Python of an image, run on this machine from its unpacked packages to compile modules."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.errors import ImageBuildFailed
from sandbox.images.command import output_of
from sandbox.images.entry import placed
from sandbox.images.package import deb_entries
from sandbox.images.trim import Trim

__all__ = ["Interpreter"]

_COMPILER: Final = Path(__file__).with_name("compiler.py")
_SECONDS: Final = 600
# Always as many, on any machine: which modules one process compiles decides single bits of the results.
_PROCESSES: Final = 4
_NEEDED: Final = Trim.of(("/usr/bin/python3*", "/usr/lib/*", "/usr/lib64/*"), ())
_ADVICE: Final = "build on a machine of the image's own architecture"


@dataclass(frozen=True)
class Interpreter:
    """The Python in `root`, a folder with the packages' files at the paths that they have in the image."""

    root: Path

    @classmethod
    def unpacked(cls, debs: Iterable[Path], trim: Trim, root: Path) -> Interpreter:
        """Unpack what the interpreter needs, and all modules; raises what `deb_entries` raises."""
        for deb in debs:
            for entry in deb_entries(deb):
                home = placed(entry)
                if home is None or trim.drops(home.path) or not _NEEDED.drops(home.path):
                    continue
                path = root / home.path
                path.parent.mkdir(parents=True, exist_ok=True)
                if home.kind == "symlink" and not path.is_symlink():
                    path.symlink_to(home.target)
                elif home.content is not None:
                    with path.open("wb") as file:
                        shutil.copyfileobj(home.content, file)
                    path.chmod(home.mode)
        return cls(root)

    def compile(self, folders: Sequence[str], sources: Path, results: Path) -> None:
        """Compile into `results` the modules in `sources` below these paths of the image, except for tests.

        Raises ImageBuildFailed if the interpreter cannot run on this machine.
        """
        modules = [
            f"/{path.relative_to(sources)}"
            for folder in folders
            for path in sorted(sources.glob(f"{folder.lstrip('/')}/**/*.py"))
            if "tests" not in path.parts
        ]
        shares = [modules[start::_PROCESSES] for start in range(_PROCESSES)]

        def compile_share(number: int) -> None:
            paths = self.root / f"modules-{number}"
            paths.write_text("\n".join(shares[number]))
            self._run(_COMPILER, sources, results, paths)

        with ThreadPoolExecutor(os.cpu_count()) as threads:
            list(threads.map(compile_share, range(_PROCESSES)))

    def _run(self, *arguments: Path) -> None:
        output_of(
            [*self._argv(), "-s", "-S", "-B", *arguments],
            timeout=_SECONDS,
            advice=_ADVICE,
            # Its home is said, because it would use this machine's modules if there are any.
            env={"PYTHONHOME": f"{self.root}/usr", "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"},
        )

    def _argv(self) -> list[Path | str]:
        loaders = sorted(path for path in self.root.glob("usr/lib*/**/ld-linux*") if not path.is_symlink())
        if not loaders:
            raise ImageBuildFailed("The recipe's packages bring no loader of programs; add libc6 to it.")
        folder = loaders[0].parent
        return [loaders[0], "--library-path", f"{folder}:{self.root}/usr/lib", self.python]

    @property
    def python(self) -> Path:
        """The program, `usr/bin/python3.…`; raises ImageBuildFailed if the packages bring none."""
        programs = sorted(self.root.glob("usr/bin/python3.[0-9]*[0-9]"))
        if not programs:
            raise ImageBuildFailed("The recipe's packages bring no Python; add python3 to it.")
        return programs[0]

    @property
    def site(self) -> str:
        """The folder in the image for modules that are not the distribution's."""
        return f"/usr/local/lib/{self.python.name}/dist-packages"
