"""Makes the modules of `client/src/cellblock/shared` from those of the worker, so that both have one source.

The client must run without the worker's packages, and with an older Python. So it gets a copy of what both
need: a module, or some names of it with all that these use.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

__all__ = ["SHARED", "shared_modules"]

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "client" / "src" / "cellblock" / "shared"


class Part(NamedTuple):
    """A module of the worker, and which of its names are needed. None: all."""

    source: str
    names: tuple[str, ...] | None = None


#: The client's modules, by their names.
SHARED = {
    "address": Part("config/address.py"),
    "address_text": Part("config/address_text.py", ("parse_address",)),
    "async_connections": Part("tasks/async_connections.py"),
    "blob_bounds": Part("tasks/blobs/bounds.py", ("full",)),
    "blob_layout": Part("tasks/blobs/layout.py"),
    "blob_writer": Part("tasks/blobs/writer.py"),
    "blobs": Part("sandbox/blobs.py", ("Blob", "missing_blob", "read_blob", "write_blob")),
    "entry": Part(
        "tasks/live/entry.py", ("END", "START", "STDERR", "STDOUT", "LiveEntry", "key_of", "read_piece")
    ),
    "errors": Part("sandbox/errors.py"),
    "headers": Part("tasks/headers.py", ("LIVE", "SENT_AT", "TASK", "TENANT", "check_tenant", "shown_call")),
    "inputs": Part("sandbox/inputs.py"),
    "limits": Part("sandbox/limits.py", ("LIMIT_NAMES", "RULES", "read_limit")),
    "payload": Part(
        "sandbox/payload.py",
        (
            "decode_content",
            "decode_file",
            "decode_ref",
            "decode_text",
            "normalise_glob",
            "normalise_path",
        ),
    ),
    "position": Part("tasks/live/read/position.py"),
    "quoting": Part("config/quoting.py", ("quoted",)),
    "redis_errors": Part("tasks/redis_errors.py", ("explain_redis", "passes")),
    "reply": Part("tasks/live/read/reply.py"),
    "request": Part("sandbox/request.py"),
    "result": Part("sandbox/result.py"),
    "comparison": Part("sandbox/runs/comparison.py", ("Comparison", "parse_comparison")),
    "runs": Part("sandbox/runs/request.py"),
    "stored": Part("tasks/results/reader.py", ("Failure", "Stored", "read_stored")),
    "tenants": Part("config/tenants.py", ("is_tenant",)),
    "units": Part("config/units.py"),
}

#: The scripts of Redis that the client runs, each with the files whose functions it calls.
_SCRIPTS = {
    "BLOB_PUBLISH": ("blob_functions", "blob_publish"),
    "BLOB_REMOVE": ("blob_functions", "blob_remove"),
    "BLOB_WRITE": ("blob_functions", "blob_write"),
    "CANCEL": ("lease_functions", "lease_cancel"),
}

_MARK = "# Made by `python docs/generate.py` from {source}. Change it there.\n"
_MODULES = {part.source.removesuffix(".py").replace("/", "."): name for name, part in SHARED.items()}
_ELSEWHERE = {
    # Packages that export the same names.
    "config": "cellblock.shared.units",
    "sandbox": "cellblock.shared.errors",
    # Python 3.10 has none.
    "enum": "cellblock.text_enum",
    "typing": "typing_extensions",
}


def shared_modules() -> dict[Path, str]:
    """The text of each shared module, by its path."""
    found = {FOLDER / f"{name}.py": _module(part) for name, part in SHARED.items()}
    return found | {FOLDER / "scripts.py": _scripts()}


def _module(part: Part) -> str:
    text = (ROOT / part.source).read_text()
    chosen = _chosen(text, part.names) if part.names else text
    renamed = re.sub(r"^( *from )(\S+)( import )(.*)$", _renamed, chosen, flags=re.MULTILINE)
    return _tidy(_MARK.format(source=part.source) + renamed)


def _renamed(line: re.Match[str]) -> str:
    start, module, middle, names = line.groups()
    if (module == "enum" and names != "StrEnum") or (module == "typing" and names != "Self"):
        return line[0]
    if module in _MODULES:
        return f"{start}cellblock.shared.{_MODULES[module]}{middle}{names}"
    return f"{start}{_ELSEWHERE.get(module, module)}{middle}{names}"


def _chosen(text: str, names: tuple[str, ...]) -> str:
    """The module's docstring, its imports, and the definitions of these names and of all that they use."""
    says, *nodes = ast.parse(text).body
    needed = _with_uses(names, {name: node for node in nodes for name in _defines(node)})
    lines, end, kept = (
        text.splitlines(),
        says.end_lineno or 0,
        ['"""' + ast.literal_eval(ast.unparse(says)) + '"""'],
    )
    for node in nodes:
        if _is_import(node) or needed & set(_defines(node)):
            # With the comments above it.
            kept.append("\n".join(lines[end : node.end_lineno]))
        elif "__all__" in _defines(node):
            kept.append(f"\n__all__ = {sorted(names)}")
        end = node.end_lineno or end
    return "\n".join(kept) + "\n"


def _with_uses(names: tuple[str, ...], defined: dict[str, ast.stmt]) -> set[str]:
    needed, new = set[str](), set(names)
    while new:
        needed |= new
        used = {one.id for name in new for one in ast.walk(defined[name]) if isinstance(one, ast.Name)}
        new = (used & defined.keys()) - needed
    return needed


def _defines(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)]
        case _:
            return []


def _is_import(node: ast.stmt) -> bool:
    """Whether it imports something, or does so for the type checker alone."""
    return isinstance(node, ast.Import | ast.ImportFrom | ast.If)


def _scripts() -> str:
    folder = ROOT / "tasks" / "lua"
    texts = {
        name: "".join((folder / f"{file}.lua").read_text() for file in files)
        for name, files in _SCRIPTS.items()
    }
    mark = _MARK.format(source="tasks/lua")
    head = f'{mark}"""The scripts that the client runs in Redis."""\n\n__all__ = {sorted(texts)}\n'
    return _tidy(head + "".join(f'\n{name} = """\n{text}"""\n' for name, text in texts.items()))


def _tidy(text: str) -> str:
    """Without the imports that are needed no more, and formatted."""
    config = ["--quiet", "--config=pyproject.toml", "--config=lint.isort.split-on-trailing-comma=false"]
    name = [f"--stdin-filename={FOLDER / 'any.py'}", "-"]
    mended = ["check", *config, "--fix-only", "--select=F401,I,RUF022,TC005", *name]
    for words in (mended, ["format", *config, *name]):
        command = [sys.executable, "-m", "ruff", *words]
        text = subprocess.run(
            command, cwd=ROOT, input=text, capture_output=True, text=True, check=True
        ).stdout
    return text
