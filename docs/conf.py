"""The configuration of Sphinx. The pages are Markdown, which is also readable without a build."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "cellblock"
author = "the cellblock authors"
extensions = ["myst_parser", "sphinx_copybutton"]
myst_heading_anchors = 3
exclude_patterns = ["pages"]
nitpicky = True
html_theme = "furo"
html_title = "cellblock"
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}
html_static_path = ["_static"]
html_css_files = ["pages.css"]

# Of a console only the commands are copied: what follows `$ `, and `> ` where a command goes on.
copybutton_prompt_text = r"\$ |> "
copybutton_prompt_is_regexp = True
copybutton_copy_empty_lines = False

_DOCS = Path(__file__).parent
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(((?:\.\./)+[^)#\s]+)\)")


def setup(app: Sphinx) -> None:
    """Show links to the source as paths: the source is not part of the built pages."""
    app.connect("source-read", _show_paths)


def _show_paths(app: Sphinx, page: str, source: list[str]) -> None:
    folder = (Path(app.srcdir) / page).parent
    source[0] = _LINK.sub(lambda link: _shown(folder, link), source[0])


def _shown(folder: Path, link: re.Match[str]) -> Any:  # noqa: ANN401
    words, target = link.groups()
    path = (folder / target).resolve()
    if path.is_relative_to(_DOCS.resolve()) or not path.exists():
        return link[0]
    name = f"`{path.relative_to(_DOCS.parent.resolve())}`"
    return name if words.strip("`") == name.strip("`") else f"{words} ({name})"
