"""Checks a request before it is sent, as far as that needs none of the operator's settings."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from cellblock.shared.limits import RULES, read_limit
from cellblock.shared.request import check_names, read_parts

__all__ = ["checked_request"]


def checked_request(cmd: object, request: Mapping[str, object]) -> dict[str, Any]:
    """The request as it is sent, as JSON can encode it.

    Raises:
        InvalidJob: one sentence says what is wrong.
    """
    check_names(request)
    plain = {name: _plain(value) for name, value in request.items()}
    read_parts(cmd, plain)
    for rule in RULES:
        if plain.get(rule.name) is not None:
            read_limit(rule, plain[rule.name])
    return plain


def _plain(value: object) -> object:
    """`value` with bytes as base64, and with plain objects and lists."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(member) for member in value]
    return value
