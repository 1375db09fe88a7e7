"""Checks parts of a job's request: text, content in text or base64, paths and glob patterns."""

from __future__ import annotations

import base64
import binascii
import posixpath
import re
from collections.abc import Mapping

from config.quoting import quoted
from sandbox.errors import InvalidJob

__all__ = [
    "decode_content",
    "decode_file",
    "decode_ref",
    "decode_text",
    "is_text",
    "normalise_glob",
    "normalise_path",
]

_PATH_BYTES = 1024
_NAME_BYTES = 255
_DEPTH = 32
_REF = re.compile(r"sha256:[0-9a-f]{64}")


def decode_text(where: str, value: object) -> str:
    """`value` as text that can be an argument of a program: it has no NUL, and UTF-8 can encode it."""
    if not isinstance(value, str):
        raise InvalidJob(f"{where} is {_kind(value)}; give text.")
    if "\0" in value:
        raise InvalidJob(f"{where} contains a NUL, which no argument, name or path can carry.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidJob(f"{where} contains a lone surrogate, which UTF-8 cannot carry.") from None
    return value


def is_text(value: str) -> bool:
    """Whether `value` can be an argument, a name or a path: it has no NUL, and UTF-8 can encode it."""
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def decode_content(where: str, value: object) -> bytes:
    """`value` as bytes: text in UTF-8, or {"base64": …}."""
    if isinstance(value, Mapping) and set(value) == {"base64"} and isinstance(value["base64"], str):
        try:
            return base64.b64decode(value["base64"], validate=True)
        except (binascii.Error, ValueError):
            raise InvalidJob(f'{where}: its "base64" is not valid base64.') from None
    if not isinstance(value, str):
        raise InvalidJob(f'{where} is {_kind(value)}; give text, or {{"base64": …}}.')
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise InvalidJob(f"{where} contains a lone surrogate, which UTF-8 cannot carry.") from None


def decode_file(where: str, value: object) -> bytes | str:
    """The content of a file as bytes, or as text the ref of the blob that has it."""
    if isinstance(value, Mapping) and set(value) == {"ref"}:
        return decode_ref(where, value["ref"])
    if not isinstance(value, str) and not (isinstance(value, Mapping) and set(value) == {"base64"}):
        raise InvalidJob(f'{where} is {_kind(value)}; give text, {{"base64": …}} or {{"ref": "sha256:…"}}.')
    return decode_content(where, value)


def decode_ref(where: str, value: object) -> str:
    """`value` as the ref of a blob: "sha256:" and 64 digits, in lower case."""
    if not isinstance(value, str) or not _REF.fullmatch(value):
        shown = quoted(value) if isinstance(value, str) else _kind(value)
        raise InvalidJob(f"{where}: {shown} is no ref; give sha256: and its 64 digits, as a result has it.")
    return value


def normalise_path(value: object, argument: str = "files") -> str:
    """`value` as a normalised path relative to `/workspace`; `argument` is where it stands.

    Raises:
        InvalidJob: the path is absolute, leads out of `/workspace`, names no file, is too long or too deep,
            or has a NUL.
    """
    path = decode_text(f"A path in {argument}", value)
    if path.startswith("/") or ".." in path.split("/"):
        raise InvalidJob(
            f"{argument}[{quoted(path)}]: the path leads outside /workspace; give one relative to it."
        )
    path = posixpath.normpath(path) if path else path
    parts = path.split("/")
    if path in ("", ".") or str(value).endswith("/"):
        raise InvalidJob(f"{argument}[{quoted(value)}]: the path names no file.")
    if len(path.encode()) > _PATH_BYTES or any(len(part.encode()) > _NAME_BYTES for part in parts):
        raise InvalidJob(
            f"{argument}[{quoted(path)}]: the path is too long ({_PATH_BYTES} bytes, {_NAME_BYTES} a name)."
        )
    if len(parts) > _DEPTH:
        raise InvalidJob(f"{argument}[{quoted(path)}]: the path is deeper than {_DEPTH} folders.")
    return path


def normalise_glob(value: object) -> str:
    """`value` as a pattern for paths below `/workspace`, normalised as these paths are.

    Raises:
        InvalidJob: the pattern is absolute, leads out of `/workspace`, is empty or too long, or has a NUL.
    """
    glob = decode_text("A pattern in artifacts", value)
    if glob.startswith("/") or ".." in glob.split("/") or not glob:
        raise InvalidJob("artifacts: patterns are relative to /workspace and stay within it.")
    if len(glob.encode()) > _PATH_BYTES:
        raise InvalidJob(f"artifacts: the pattern {quoted(glob)} is too long ({_PATH_BYTES} bytes).")
    *folders, name = glob.split("/")
    return (
        "/".join([*(part for part in folders if part not in ("", ".")), "" if name == "." else name]) or "**"
    )


def _kind(value: object) -> str:
    return "null" if value is None else f"a {type(value).__name__}"
