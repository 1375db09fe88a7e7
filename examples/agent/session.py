"""A session of Python that lives on between cells: each piece of code finds the names of those before it.

What can be pickled is kept in the workspace; anything else, such as an open file, is gone with its cell.

    CELLBLOCK_BROKER_URL=redis://localhost:6379/0 python examples/agent/session.py
"""

from __future__ import annotations

from dataclasses import dataclass

from cellblock import Cellblock, Options

# Runs in the cell.
TURN = """
import ast, pickle, sys, traceback
try:
    names = pickle.load(open(".names", "rb"))
except FileNotFoundError:
    names = {}
code = ast.parse(sys.stdin.read())
last = code.body.pop() if code.body and isinstance(code.body[-1], ast.Expr) else None
try:
    exec(compile(code, "<session>", "exec"), names)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), "<session>", "eval"), names)
        if value is not None:
            print(repr(value))
except Exception:
    traceback.print_exc()
kept = {}
for name, value in names.items():
    try:
        pickle.dumps(value)
    except Exception:
        continue
    if name != "__builtins__":
        kept[name] = value
pickle.dump(kept, open(".names", "wb"))
"""


@dataclass(slots=True)
class Session:
    """A session in a workspace, which is kept under `ref` after each turn."""

    cells: Cellblock
    ref: str | None = None

    def run(self, code: str) -> str:
        """What the code prints, or the value of its last line."""
        options: Options = {"files": {".turn": TURN}, "stdin": code, "keep_workspace": True}
        if self.ref:
            options["workspace"] = self.ref
        result = self.cells.run("python3 /workspace/.turn", "python", **options)
        self.ref = result.workspace or self.ref
        return f"{result.stdout}{result.stderr}"


def main() -> None:
    """Show three turns."""
    session = Session(Cellblock())
    for code in (
        "numbers = [3, 1, 2]",
        "numbers.sort()\nopen('sorted', 'w').write(str(numbers))",
        "numbers, open('sorted').read()",
    ):
        print(f">>> {code}\n{session.run(code)}", end="")


if __name__ == "__main__":
    main()
