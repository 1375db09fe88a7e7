"""Runtimes that extend others: what they inherit, and what they add."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from config.quoting import quoted
from config.settings import InvalidSetting

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["inherited"]

# A file belongs to one runtime. So a runtime that extends another is chosen by its name alone, unless it has
# files of its own.
_OWN = {"aliases", "extensions", "shebangs", "names", "extends"}
_MERGED = ("env", "limits", "compile_limits")


def inherited(tables: Mapping[str, Any]) -> dict[str, Any]:
    """The tables with what each inherits. `image_of` is the runtime whose local image is used.

    Raises:
        InvalidSetting: a runtime extends itself, or one that is not there.
    """
    return {name: _whole(name, tables, ()) for name in tables}


def _whole(name: str, tables: Mapping[str, Any], above: tuple[str, ...]) -> Any:  # noqa: ANN401  not checked yet
    own = tables[name]
    if not isinstance(own, dict):
        return own
    base: dict[str, Any] = {}
    if "extends" in own:
        base = _base(name, own["extends"], tables, above)
    return _merged(name, base, own)


def _base(name: str, base: object, tables: Mapping[str, Any], above: tuple[str, ...]) -> dict[str, Any]:
    where = f"Runtime catalogue, {name}.extends"
    if base in (name, *above):
        raise InvalidSetting(f"{where}: a runtime cannot extend itself")
    if not isinstance(base, str) or not isinstance(tables.get(base), dict):
        raise InvalidSetting(f"{where}: there is no runtime {quoted(base)}. There are: {', '.join(tables)}")
    whole: dict[str, Any] = _whole(base, tables, (*above, name))
    return whole


def _merged(name: str, base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    passed_on = {key: value for key, value in base.items() if key not in _OWN}
    if own.keys() & {"image", "packages"}:
        passed_on |= {"image_of": name}
    if base and "packages" in own:
        passed_on["image"] = f"cellblock/{name}:local"
    whole = passed_on | dict(own)
    for key in _MERGED:
        if isinstance(base.get(key), dict) and isinstance(own.get(key), dict):
            whole[key] = base[key] | own[key]
    if "packages" in own:
        whole["packages"] = _added(base.get("packages", {}), _listed(own["packages"], whole))
    return whole


def _listed(packages: object, whole: Mapping[str, Any]) -> object:
    """A bare list is for the program that the runtime's language has for it."""
    return {whole.get("packages_from", "apt"): packages} if isinstance(packages, list) else packages


def _added(base: object, own: object) -> object:
    if not isinstance(base, dict) or not isinstance(own, dict):
        return own
    return {key: [*base.get(key, ()), *own.get(key, ())] for key in base | own}
