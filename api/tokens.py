"""The file of tokens: who may call the API, for which tenant, and with which limits."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path

from api.caps import Caps, parse_caps
from config import InvalidSetting
from config.tenants import is_tenant

__all__ = ["Token", "TokenFile", "parse_tokens"]

_log = logging.getLogger("cellblock.api")

# RFC 6750's characters of a bearer token.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,512}=*")
_SPACES = re.compile(r"[\s,]+")
_SHORT = 16
_LOOK_S = 1.0
# Docker mounts secrets there, readable for everybody in a container that nobody else is in.
_SECRETS = Path("/run/secrets")


@dataclass(frozen=True, slots=True)
class Token:
    """One line of the file. The token itself is not kept."""

    digest: bytes = field(repr=False)
    tenant: str
    caps: Caps


def parse_tokens(text: str) -> tuple[Token, ...]:
    """The tokens in the text of a file: on each line a token, its tenant, and limits such as `timeout=10`.

    Empty lines, and those that begin with #, are left out.

    Raises:
        InvalidSetting: a line is malformed. The message has its number and never its token.
    """
    tokens: dict[bytes, Token] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = _SPACES.split(line.strip())
        if words == [""] or words[0].startswith("#"):
            continue
        token = _token(number, words)
        if token.digest in tokens:
            raise _invalid(number, "the token is on an earlier line as well")
        tokens[token.digest] = token
    if not tokens:
        raise InvalidSetting("CELLBLOCK_API_TOKENS_FILE: there is no token in it. Give a line: TOKEN TENANT")
    return tuple(tokens.values())


def _token(number: int, words: list[str]) -> Token:
    secret, tenant, *caps = [*words, ""] if len(words) == 1 else words
    if not _TOKEN.fullmatch(secret):
        raise _invalid(number, "a token has up to 512 of the characters A-Z a-z 0-9 . _ ~ + / - =")
    if not is_tenant(tenant):
        raise _invalid(number, "give the token, then its tenant: 1 to 64 of A-Z a-z 0-9 . _ @ -")
    if len(secret) < _SHORT:
        _log.warning(
            "CELLBLOCK_API_TOKENS_FILE, line %d: the token is short. Try: openssl rand -hex 32", number
        )
    try:
        return Token(_digest(secret), tenant, parse_caps(caps))
    except ValueError as error:
        raise _invalid(number, str(error)) from None


def _invalid(number: int, why: str) -> InvalidSetting:
    return InvalidSetting(f"CELLBLOCK_API_TOKENS_FILE, line {number}: {why}")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


class TokenFile:
    """The tokens of a file, which is read again when it changes. A change counts within a second."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            InvalidSetting: it can't be read, or a line is malformed.
        """
        self._path = path
        self._state = _state_of(path)
        self._tokens = _read(path)
        self._looked_s = time.monotonic()

    def find(self, secret: str) -> Token | None:
        """The entry of a token. It takes the same time whichever entry it is, if any."""
        if time.monotonic() - self._looked_s >= _LOOK_S:
            self._look()
        digest = _digest(secret)
        found = None
        for token in self._tokens:
            if hmac.compare_digest(token.digest, digest):
                found = token
        return found

    def _look(self) -> None:
        """Read the file again if it has changed. The former tokens count while it can't be read."""
        self._looked_s = time.monotonic()
        state = _state_of(self._path)
        if state == self._state:
            return
        self._state = state
        try:
            self._tokens = _read(self._path)
        except InvalidSetting as error:
            _log.error("The former tokens stay in force, because the new ones can't be read: %s", error)
        else:
            _log.info("The tokens were read again: there are %d", len(self._tokens))


def _state_of(path: Path) -> tuple[int, int, int] | None:
    """What differs when the file has changed. None if it is away."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_ino, about.st_size, about.st_mtime_ns


def _read(path: Path) -> tuple[Token, ...]:
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InvalidSetting(f"CELLBLOCK_API_TOKENS_FILE={path}: {reason}") from None
    if mode & stat.S_IROTH and not path.is_relative_to(_SECRETS):
        _log.warning("Every user of this host can read the tokens in %s. Try: chmod o-r", path)
    return parse_tokens(text)
