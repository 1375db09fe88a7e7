"""The exact commands that each runtime uses for a job with files and no command."""

from __future__ import annotations

import pytest

from config import load_catalogue

NODE = "node --no-detect-ineffective-gcs-near-heap-limit"
NODE_TS = f"{NODE} --experimental-transform-types --disable-warning=ExperimentalWarning"
#: The first program that a build has left, and how CMake builds where it is.
CPP = load_catalogue()["cpp"].start
FIND = f"/bin/sh -c {CPP[1].run[-1]}"
CSHARP = load_catalogue()["dotnet"].start[-1]
CMAKE = f"/bin/sh -c {CPP[2].compile[-1]}"
JAVA = (
    "java -Xmx{heap_mib}m -XX:OnOutOfMemoryError=: >{heap_report} -XX:+UnlockDiagnosticVMOptions"
    " -XX:-DisplayVMOutput -XX:+UseSerialGC -XX:-UsePerfData"
)

# The files, the command of the compiler, the command of the program.
STARTS: dict[str, list[tuple[str, str, str]]] = {
    "node": [
        ("package.json", "", "/bin/sh -c PATH=$PATH:node_modules/.bin; {value}"),
        ("package.json", "", f"{NODE} ."),
        ("main.js main.mjs main.cjs index.js index.mjs index.cjs", "", f"{NODE} {{entry}}"),
        ("app.js app.mjs app.cjs server.js server.mjs server.cjs", "", f"{NODE} {{entry}}"),
        ("main.ts main.mts index.ts index.mts app.ts server.ts", "", f"{NODE_TS} {{entry}}"),
        ("*.js *.mjs *.cjs", "", f"{NODE} {{entry}}"),
        ("*.ts *.mts *.cts", "", f"{NODE_TS} {{entry}}"),
        ("**/main.js **/index.js **/app.js **/*.js **/*.mjs **/*.cjs", "", f"{NODE} {{entry}}"),
        ("**/main.ts **/index.ts **/app.ts **/*.ts **/*.mts **/*.cts", "", f"{NODE_TS} {{entry}}"),
    ],
    "python": [
        ("main.py __main__.py app.py", "", "python3 {entry}"),
        ("*.py", "", "python3 {entry}"),
        ("**/__main__.py", "", "python3 -m {folder}"),
        ("**/main.py **/__main__.py **/app.py **/*.py", "", "python3 {entry}"),
    ],
    "cpp": [
        ("Makefile makefile GNUmakefile", "make -s", "make -s run"),
        ("Makefile makefile GNUmakefile", "make -s", f"{FIND}"),
        ("CMakeLists.txt", f"{CMAKE}", f"{FIND}"),
        (
            "**/*.cpp **/*.cc **/*.cxx",
            "g++ -O2 -pthread -I. {include} -o program -x c {also} -x none {all} -lstdc++ -lm",
            "./program",
        ),
        ("**/*.c", "gcc -O2 -pthread -I. {include} -o program {all} -lm", "./program"),
    ],
    "java": [
        ("*.jar", "", f"{JAVA} -jar {{entry}}"),
        (
            "Main.java **/Main.java *.java **/*.java",
            "javac -J-XX:-UsePerfData -encoding UTF-8 -cp .:lib/* -d . {all}",
            f"{JAVA} -cp .:src/main/resources:lib/* {{class}}",
        ),
    ],
    "dotnet": [
        ("*.runtimeconfig.json **/*.runtimeconfig.json", "", "dotnet {stem}.dll"),
        ("main.dll Main.dll", "", "dotnet {entry}"),
        ("*.dll **/*.dll", "", "dotnet {entry}"),
        ("**/*.cs", f"/bin/sh -c {CSHARP.compile[2]} mcs {{all}}", f"/bin/sh -c {CSHARP.run[-1]}"),
    ],
    "bash": [
        ("main.sh run.sh", "", "{bash} {entry}"),
        ("*.sh **/main.sh **/run.sh **/*.sh", "", "{bash} {entry}"),
    ],
}


@pytest.mark.parametrize("name", STARTS)
def test_a_runtime_starts_the_first_of_its_files_that_is_there(name: str) -> None:
    start = load_catalogue()[name].start
    assert [(" ".join(one.files), " ".join(one.compile), " ".join(one.run)) for one in start] == STARTS[name]


def test_every_runtime_says_how_it_starts() -> None:
    assert set(load_catalogue()) == set(STARTS)
