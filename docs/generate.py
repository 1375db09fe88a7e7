"""Writes the pages of `docs/reference` that are made from the code. With --check, says which are stale."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import SecretStr

from config.settings import Settings, variable_of

REFERENCE = Path(__file__).with_name("reference")

SETTINGS_HEAD = """# Settings

From the environment of a worker, and of an app that imports `tasks`: give both the same. Each can come from a
file as well, which `<NAME>_FILE` names. Sizes are bytes, or a number with k, m or g (binary multiples). A bad
value stops a worker at start with the name, the value and what is allowed.

| variable | default | meaning |
|---|---|---|
"""


def settings_page() -> str:
    """The table of all settings."""
    rows = (
        f"| `{variable_of(name)}` | {shown(field.default)} | {field.description} |\n"
        for name, field in Settings.model_fields.items()
    )
    return SETTINGS_HEAD + "".join(rows)


def shown(default: object) -> str:
    """A default as one would write it in the environment."""
    if default is None:
        return ""
    text = default.get_secret_value() if isinstance(default, SecretStr) else str(default)
    return f"`{text.lower() if isinstance(default, bool) else text}`"


PAGES = {"settings.md": settings_page}


def main() -> int:
    """Write the pages, or check them."""
    stale = [name for name, page in PAGES.items() if not current(REFERENCE / name, page())]
    if "--check" not in sys.argv:
        for name in stale:
            (REFERENCE / name).write_text(PAGES[name]())
        return 0
    for name in stale:
        print(f"docs/reference/{name} is stale. Try: python docs/generate.py")
    return len(stale)


def current(path: Path, content: str) -> bool:
    """Whether the page is there as the code would have it."""
    return path.exists() and path.read_text() == content


if __name__ == "__main__":
    sys.exit(main())
