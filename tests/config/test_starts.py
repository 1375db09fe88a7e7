"""The exact commands that each runtime uses for a job with files and no command."""

from __future__ import annotations

import pytest

from config import load_catalogue

GXX = "g++ -O2 -pthread -o program {all}"
NODE = "node --no-detect-ineffective-gcs-near-heap-limit"
JAVA = (
    "java -Xmx{heap_mib}m -XX:OnOutOfMemoryError=: >{heap_report} -XX:+UnlockDiagnosticVMOptions"
    " -XX:-DisplayVMOutput -XX:+UseSerialGC -XX:-UsePerfData"
)

# The files, the command of the compiler, the command of the program.
STARTS: dict[str, list[tuple[str, str, str]]] = {
    "node": [
        ("main.js main.mjs main.cjs index.js index.mjs index.cjs", "", f"{NODE} {{entry}}"),
        ("package.json", "", f"{NODE} ."),
        ("*.js *.mjs *.cjs", "", f"{NODE} {{entry}}"),
    ],
    "python": [
        ("main.py __main__.py app.py", "", "python3 {entry}"),
        ("*.py", "", "python3 {entry}"),
    ],
    "cpp": [
        ("Makefile makefile", "make -s", "make -s run"),
        ("**/*.cpp **/*.cc **/*.cxx", GXX, "./program"),
        ("**/*.c", "gcc -O2 -pthread -o program {all} -lm", "./program"),
    ],
    "java": [
        ("*.jar", "", f"{JAVA} -jar {{entry}}"),
        (
            "Main.java **/Main.java *.java **/*.java",
            "javac -J-XX:-UsePerfData -encoding UTF-8 -d . {all}",
            f"{JAVA} -cp . {{class}}",
        ),
    ],
    "dotnet": [
        ("main.dll Main.dll", "", "dotnet {entry}"),
        ("*.dll", "", "dotnet {entry}"),
    ],
    "bash": [
        ("main.sh run.sh", "", "/bin/sh {entry}"),
        ("*.sh", "", "/bin/sh {entry}"),
    ],
}


@pytest.mark.parametrize("name", STARTS)
def test_a_runtime_starts_the_first_of_its_files_that_is_there(name: str) -> None:
    start = load_catalogue()[name].start
    assert [(" ".join(one.files), " ".join(one.compile), " ".join(one.run)) for one in start] == STARTS[name]


def test_every_runtime_says_how_it_starts() -> None:
    assert set(load_catalogue()) == set(STARTS)
