"""Gets images from their registries with skopeo, which has its own files for passwords and certificates."""

from __future__ import annotations

import hashlib
import re
import subprocess
from typing import TYPE_CHECKING

from sandbox.errors import EngineFailed

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Registry"]

_PROGRAM = "skopeo"
_ASK_S = 120
_MESSAGE = re.compile(r'level=fatal msg="((?:[^"\\]|\\.)*)"')
_MESSAGE_CHARS = 400
_CERTIFICATE = (
    "its certificate in /etc/containers/certs.d/{host}/ca.crt; or insecure = true for it in"
    " /etc/containers/registries.conf"
)
# What skopeo says, and what to try then. The first line that fits counts.
_ADVICE = (
    (
        r"unauthorized|authentication required|access denied|no basic auth|denied:",
        "skopeo login {host} with this user, or REGISTRY_AUTH_FILE=… with a password that is right",
    ),
    (r"x509|HTTP response to HTTPS client", _CERTIFICATE),
    (r"no space left", "cellblock images prune, or a larger disk for CELLBLOCK_STORE"),
    (
        r"manifest unknown|name unknown|no image found",
        "correct the name in the catalogue (CELLBLOCK_RUNTIMES); the registry has no such image",
    ),
    (
        r"did not match|unexpected EOF|fetching blob|does not match",
        "again; if it stays, push the image again: what the registry sends is not what its digest says",
    ),
    (r"", "see that {host} answers; without a registry: cellblock images build"),
)


class Registry:
    """The registry of the image called `name`."""

    def __init__(self, name: str) -> None:
        self._name = name
        tagged, _, self._pin = name.partition("@")
        self._repository = re.sub(r":[^:/]*$", "", tagged)
        self._source = f"{self._repository}@{self._pin}" if self._pin else tagged

    def digest(self) -> str:
        """The digest of the image, or of the list that has it for several architectures.

        Raises:
            EngineFailed: the registry does not answer, refuses, or has no such image.
        """
        manifest = self._skopeo("inspect", "--raw", f"docker://{self._source}", timeout_s=_ASK_S)
        digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        if self._pin and digest != self._pin:
            raise self._failed("Digest did not match")
        return digest

    def download(self, digest: str, folder: Path, lock: int) -> None:
        """Write the image of this digest for the host's architecture into the folder, its layers unpacked.

        skopeo also holds the lock, because it works on when this process is killed.

        Raises:
            EngineFailed: the registry failed, or there is no room.
        """
        what = (f"docker://{self._repository}@{digest}", f"dir:{folder}")
        self._skopeo("copy", "--quiet", "--dest-decompress", *what, lock=(lock,))

    def _skopeo(self, *words: str, timeout_s: float | None = None, lock: tuple[int, ...] = ()) -> bytes:
        try:
            done = subprocess.run(
                (_PROGRAM, *words),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=timeout_s,
                pass_fds=lock,
            )
        except FileNotFoundError as error:
            raise EngineFailed(
                f"There is no skopeo, which pulls {self._name}. Try: apt-get install skopeo"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise self._failed(f"no answer within {timeout_s:g} s") from error
        if done.returncode:
            raise self._failed(_fatal(done.stderr.decode(errors="replace")))
        return done.stdout

    def _failed(self, says: str) -> EngineFailed:
        advice = next(advice for words, advice in _ADVICE if re.search(words, says))
        return EngineFailed(
            f"{self._name} could not be pulled: {says}. Try: {advice.format(host=self._host)}"
        )

    @property
    def _host(self) -> str:
        """The registry's host as in the name; Docker's own registry, where the name has none."""
        first, slash, _ = self._repository.partition("/")
        return first if slash and re.search(r"[.:]|^localhost$", first) else "docker.io"


def _fatal(stderr: str) -> str:
    """What skopeo says went wrong, without the name of the image, which our sentence has."""
    found = _MESSAGE.search(stderr)
    says = re.sub(r"\\(.)", r"\1", found[1]) if found else stderr.strip() or "skopeo does not say why"
    return re.sub(r'^.*docker://[^\s"]*"?: ', "", says, flags=re.DOTALL)[:_MESSAGE_CHARS]
