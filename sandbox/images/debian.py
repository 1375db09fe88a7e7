"""Ask apt which packages a recipe needs, as if nothing were installed, and download them.

No root is needed, because the host's package state is neither read nor changed. Package lists, downloads and
the (empty) status file are in a separate folder. Only the host's package sources are used, perhaps with
another suite's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from types import MappingProxyType
from typing import Final

from sandbox.errors import ImageBuildFailed
from sandbox.images.command import output_of
from sandbox.images.package import Package
from sandbox.images.progress import Progress
from sandbox.images.stanza import needed, parse_stanzas
from sandbox.images.suite import sources_for

__all__ = ["Debian"]

_ADVICE: Final = (
    "see that `apt-get update` works on this machine, which has to be a Debian or Ubuntu with the keys of its"
    " other suites (debian-archive-keyring)"
)
_SECONDS: Final = 600
_BATCH: Final = 8
_INSTALLED: Final = re.compile(r"^Inst (\S+) \((\S+) ", re.MULTILINE)

# The host's hooks are removed: they are meant for its own lists and downloads, and may need root.
_CONFIGURATION: Final = """\
#clear APT::Architectures;
#clear APT::Update;
APT::Architecture "{architecture}";
Dir::State "{folder}";
Dir::State::status "{folder}/status";
Dir::State::lists "{folder}/lists";
Dir::Cache "{folder}";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Sandbox::User "root";
Debug::NoLocking "true";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
"""
_ONLY_THE_SUITE: Final = """\
Dir::Etc::sourcelist "{sources}";
Dir::Etc::sourceparts "/dev/null";
"""
_TARGET: Final = "$(REPO_URI) $(RELEASE) $(COMPONENT)"


@dataclass(frozen=True)
class Debian:
    """The package archive that the host's apt uses, for one architecture. All files are kept in `folder`.

    With `suite`, that archive's packages of another suite than the host's.
    """

    folder: Path
    architecture: str
    suite: str | None = None

    def fingerprint(self) -> str:
        """A text that changes whenever the package lists do; empty if there are none."""
        lists = sorted((self.folder / "lists").glob("*_Packages*"))
        # Not the modification time: apt sets that to the archive's time, in whole seconds.
        stats = [(path.name, path.stat()) for path in lists]
        return " ".join(f"{name}:{stat.st_size}:{stat.st_ctime_ns}" for name, stat in stats)

    def refresh(self) -> None:
        """Fetch the package lists; raises ImageBuildFailed if the archive does not answer."""
        if self.suite:
            self._sources.unlink(missing_ok=True)
            # Without that option apt lists only what it has fetched before.
            options = ("--no-release-info", "--format", _TARGET)
            targets = self._apt("apt-get", "indextargets", *options, "Created-By: Packages")
            self._sources.write_text(sources_for(self.suite, targets))
        self._apt("apt-get", "-qq", "-o", "APT::Update::Error-Mode=any", "update")
        if not self.fingerprint():
            raise ImageBuildFailed(f"apt has no package lists for {self.architecture}; {_ADVICE}.")

    def closure(
        self,
        choices: Iterable[Sequence[str]],
        exclude: Sequence[str],
        ignore: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> tuple[Package, ...]:
        """The chosen packages and all that they depend on, without what `needed` leaves out.

        Raises ImageBuildFailed if no name of a choice is available, or if the dependencies cannot be met.
        """
        chosen = self._chosen(tuple(choices))
        # Not --print-uris: that leaves out what is already downloaded.
        steps = self._apt(
            "apt-get", "install", "--simulate", "-qq", "--yes", "--no-install-recommends", *chosen
        )
        exact = ("=".join(match.groups()) for match in _INSTALLED.finditer(steps))
        return needed(parse_stanzas(self._apt("apt-cache", "show", *exact)), chosen, exclude, ignore)

    def download(self, packages: Sequence[Package], progress: Progress) -> tuple[Path, ...]:
        """Fetch the missing .debs. `progress` counts packages in the step `download`.

        Raises ImageBuildFailed if one cannot be fetched, or if its hash is not the one in the package lists.
        """
        missing = [package for package in packages if not self._deb(package).exists()]
        for start in range(0, len(missing), _BATCH):
            progress("download", len(packages) - len(missing) + start, len(packages))
            batch = missing[start : start + _BATCH]
            exact = (f"{package.name}={package.version}" for package in batch)
            self._apt("apt-get", "-qq", "download", *exact)
        for package in packages:
            self._verify(package)
        progress("download", len(packages), len(packages))
        return tuple(self._deb(package) for package in packages)

    def _chosen(self, choices: Sequence[Sequence[str]]) -> list[str]:
        table = self._apt("apt-cache", "madison", *{name for choice in choices for name in choice})
        available = {line.split("|")[0].strip() for line in table.splitlines()}
        chosen = []
        for choice in choices:
            found = next((name for name in choice if name in available), None)
            if found is None:
                raise ImageBuildFailed(
                    f"apt knows no package {' or '.join(choice)}; name one that it has in the recipe."
                )
            chosen.append(found)
        return chosen

    def _verify(self, package: Package) -> None:
        path = self._deb(package)
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        if digest != package.sha256:
            path.unlink()
            raise ImageBuildFailed(f"{path.name} was damaged and has been deleted; build again.")

    def _deb(self, package: Package) -> Path:
        return self.folder / "archives" / package.file

    @property
    def _sources(self) -> Path:
        return self.folder / "suite.sources"

    def _apt(self, tool: str, *arguments: str) -> str:
        for name in ("lists/partial", "archives/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        configuration = self.folder / "apt.conf"
        text = _CONFIGURATION.format(folder=self.folder, architecture=self.architecture)
        if self._sources.exists() and self._sources.stat().st_size:
            text += _ONLY_THE_SUITE.format(sources=self._sources)
        configuration.write_text(text)
        argv = [tool, "-c", str(configuration), *arguments]
        return output_of(argv, timeout=_SECONDS, advice=_ADVICE, folder=self.folder / "archives")
