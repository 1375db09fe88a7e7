"""Measures the smallest program of each runtime, and the same cell without that program."""

from __future__ import annotations

import base64
import statistics
import time
import zlib
from typing import TYPE_CHECKING, Any

from benchmarks.finding import Finding
from benchmarks.plots import Part, stacked_bars
from benchmarks.surroundings import BenchError
from sandbox import ImageMissing, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.scale import Scale
    from benchmarks.surroundings import Surroundings

__all__ = ["measure_hello"]

# Compiled by `mcs -optimize+` and compressed with deflate:
# class A { static void Main() { System.Console.WriteLine("hello"); } }
_ASSEMBLY = (
    "eNrtVs9vG0UU/mbtRE5KoyJVVSpQ2aapFKGyMk2kghSBmx+0gaSJ6jStKqRmvR6chd0da3Zckh4gEgIJgUT5P3rgUIkIgdQjB4p6LJcq"
    "Bw5w6r0HypvZ2XqdWIJyJc+eN++9/ebNN29mx166fhslAGVqT58CO8ikhn+WbWojr/wwgrtD90/usMX7J1c3wtRtS9GSfuwGfpII5Ta4"
    "KzuJGybu3HLdjUWTe4cPD4/bHCvzwCIr9eTdhcMOsUpGajCLPRoj5ebEapntZBCg2xtSTmaWUPscOGK+3f5ZZ+Q25X3Ppnzo9FnkOvAC"
    "/oMQv0rBrZB/seB7im8q6n937LrKXd6FFOueTGUAy62Gnpqgu1c1T/JIBJbrus01vA83s5fmvbGsv2iGDKBJk7o0lmUpBp932SecCRo2"
    "/KonKUN7gml7pv7uDDMZM343p7yqN1mdfP1NHRlARPoBtVOfANME+1rbdSXDpJVqxM8s27NTV+p4mNsXrizMUf8H+W9ofyYSDcuBCBy5"
    "cBQY0s4TNolj2XpKtiyOtVmhAZ/ZfpA4HiV92uhpXDdRZjUz50cXdsh4K3rv8MXoGcIyXDPetzhLCEaIl0i/CP3suNEeRUZQ3t5btXPF"
    "E0zyGm7l5vSSaHYi/hbOY1YkqYg46lup4jGuylDxxTDhWG58yAMFL1BCYskPE8RaXe4kKoz5rIjbvgobYRSqrfOK6troqDyLZ0GeRoUR"
    "l3Uub4YBTxGngZBR2DC5vGZEu3RoA5x2K4Iw1H77Rdz56s/R2jd3g/qdB9EZWgJjIyUX+n1mJ3R5Vp1jV6XfviSS+c2At1UoktUNKT5O"
    "WeX7W++vHZ/a/bK3EjtjXfvX/J3vI/ee4W7MCjm/ybNla86cZ2z1jXYabg0H8m+FmXdrNLtFe+L63Ff7xPO74xqVebtwf207U6TXUMcN"
    "0vO4TNYClnGJ/AXS75Ct5afy47/yPEV5u3Cv772W58zMa/AhKU9I55FTzgQf2HM5bkat0lOfoik996EIJ8jT8im+K+8ynaNOcUlPErT6"
    "ZPrRYKr0OUeRKqbQ0DXAy8SIYZYwMX044RVSe1THC8/aZv4tWq1vcPZOp5tAY/L55qilCAyPdg9P19S8UsCuUZOE7mKqdKd0m849QPgF"
    "w0ljE5o7KjCIyQrt2AnDY5HiLYPSrNvEVzNpYQOqh28Xl1W2SX5s9uAjs/oMO23uxWWbI7Tz5/yTfTw8yhMhsvum51mhsYKiHaqJ2le7"
    "iT6YvVVxD17k5/qfon+Td88elOL/KH8D+Xf4Lg=="
)
_FRAMEWORK = '{"runtimeOptions":{"framework":{"name":"Microsoft.NETCore.App","version":"8.0.0"}}}'
_JAVA = 'class Main { public static void main(String[] a) { System.out.println("hello"); } }'

_HELLOS: dict[str, dict[str, Any]] = {
    "bash": {"main.sh": "echo hello"},
    "python": {"main.py": "print('hello')"},
    "node": {"main.js": "console.log('hello')"},
    "dotnet": {
        "main.dll": {"base64": base64.b64encode(zlib.decompress(base64.b64decode(_ASSEMBLY))).decode()},
        "main.runtimeconfig.json": _FRAMEWORK,
    },
    "java": {"Main.java": _JAVA},
    "cpp": {"main.cpp": '#include <iostream>\nint main() { std::cout << "hello\\n"; }'},
}
_FULL_S = 120.0
_STEPS = ("bare cell", "compile", "run")


def measure_hello(around: Surroundings, scale: Scale, say: Callable[[str], None]) -> Finding:
    """Run each runtime in turn in cold cells, and compare with a cell of the same image that runs `true`."""
    found: dict[str, dict[str, list[float]]] = {name: {step: [] for step in _STEPS} for name in _HELLOS}
    missing: dict[str, str] = {}
    with Sandbox(around.settings("hello")) as sandbox:
        for number in range(-1, scale.hellos):
            say(f"hello: round {max(number, 0) + 1} of {scale.hellos}")
            for runtime in [name for name in _HELLOS if name not in missing]:
                try:
                    measured = _measure(sandbox, runtime)
                except (ImageMissing, BenchError) as error:
                    missing[runtime] = str(error)
                    continue
                if number >= 0:
                    for step, seconds in measured.items():
                        found[runtime][step].append(seconds)
    return _table(found, missing)


def _measure(sandbox: Sandbox, runtime: str) -> dict[str, float]:
    sandbox.settle()
    started = time.perf_counter()
    sandbox.run("true", runtime)
    bare_s = time.perf_counter() - started
    sandbox.settle()
    started = time.perf_counter()
    result = sandbox.run(None, runtime, files=_HELLOS[runtime])
    whole_s = time.perf_counter() - started
    if result.stdout.strip() != "hello":
        raise BenchError(f"A wrong answer: {result.status}, {result.stdout!r}, {result.stderr!r}")
    compile_s = result.compile_seconds or 0.0
    return {"bare cell": bare_s, "compile": compile_s, "run": max(0.0, whole_s - compile_s - bare_s)}


def _table(found: dict[str, dict[str, list[float]]], missing: dict[str, str]) -> Finding:
    medians = {
        runtime: {step: round(statistics.median(seconds) * 1000, 1) for step, seconds in steps.items()}
        for runtime, steps in found.items()
        if runtime not in missing
    }
    rows = [
        (
            runtime,
            *(f"{steps[step]:.0f}" if steps[step] else "" for step in _STEPS),
            f"{sum(steps.values()):.0f}",
        )
        for runtime, steps in medians.items()
    ]
    rows += [(runtime, f"not measured: {why}", "", "", "") for runtime, why in missing.items()]
    parts = {name: [Part(step, steps[step]) for step in _STEPS] for name, steps in medians.items()}
    return Finding(
        "hello",
        "Each runtime's hello, on top of its bare cold cell (median ms)",
        ("runtime", "bare cell", "compile (a cell of its own)", "the program, from start to end", "in all"),
        rows,
        {"ms": medians, "missing": missing},
        figures={
            "hello": stacked_bars("Each runtime's hello in a cold cell", "milliseconds (medians)", parts)
        }
        if parts
        else {},
    )
