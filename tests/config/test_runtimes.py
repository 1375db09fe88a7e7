"""The runtime catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import InvalidSetting, load_catalogue
from config.runtimes import Runtime, RuntimeLimits, fill_memory

PINNED = f"python@sha256:{'0af' * 21}0"
CONTRACT = {
    "node": ("node:22-alpine", {".js", ".mjs", ".cjs", ".ts", ".mts", ".cts"}),
    "python": ("python:3.11-slim", {".py"}),
    "cpp": ("gcc:14", {".cpp", ".cc", ".cxx", ".c"}),
    "java": ("eclipse-temurin:21-alpine", {".java", ".jar"}),
    "dotnet": ("mcr.microsoft.com/dotnet/runtime:8.0-alpine", {".dll", ".cs"}),
    "bash": ("bash:5", {".sh"}),
}


@pytest.fixture
def operators_file(tmp_path: Path) -> Path:
    return tmp_path / "runtimes.toml"


def test_the_six_runtimes_have_their_images_and_files() -> None:
    shown = {name: (runtime.image, set(runtime.extensions)) for name, runtime in load_catalogue().items()}
    assert shown == CONTRACT


def test_the_local_image_is_named_after_the_runtime() -> None:
    assert load_catalogue()["python"].local_image == "cellblock/python:local"


def test_no_two_runtimes_own_the_same_extension() -> None:
    owned = [extension for runtime in load_catalogue().values() for extension in runtime.extensions]
    assert len(owned) == len(set(owned))


def test_an_operators_table_replaces_single_keys(operators_file: Path) -> None:
    operators_file.write_text(f'[python]\nimage = "{PINNED}"\n[python.limits]\nmemory = "1g"\n')
    python = load_catalogue(operators_file)["python"]
    assert (python.image, python.extensions, python.limits.memory) == (PINNED, (".py",), 1 << 30)


def test_an_operators_table_adds_a_runtime(operators_file: Path) -> None:
    operators_file.write_text('[perl]\nimage = "perl:5"\nextensions = [".pl"]\n')
    catalogue = load_catalogue(operators_file)
    assert catalogue["perl"].local_image == "cellblock/perl:local"
    assert set(catalogue) == {*CONTRACT, "perl"}


def test_the_built_in_catalogue_stays_as_it_is_beside_an_operators(operators_file: Path) -> None:
    operators_file.write_text('[bash]\nimage = "busybox"\n')
    load_catalogue(operators_file).clear()
    assert load_catalogue()["bash"].image == "bash:5"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[python", "runtimes.toml"),
        ("[perl]\n", "perl.image"),
        ('[python]\nimage = "python@sha256:abc"\n', "python.image: a digest is"),
        ('[python]\nimage = "sha256:abc"\n', "python.image: a digest is"),
        ('[python]\nimage = "python@latest"\n', "python.image: a digest is"),
        ('[perl]\nimage = "x"\ncolour = "red"\n', "perl.colour"),
        ('[python.limits]\nmemory = "lots"\n', "python.limits.memory"),
        ("[python.env]\nN = 1\n", "python.env.N"),
        ('["../x"]\nimage = "x"\n', "'../x'"),
        ("perl = 1\n", "'perl'"),
        ('python = "python:3.12"\n', "'python'"),
    ],
)
def test_a_bad_file_is_one_sentence_that_names_the_place(operators_file: Path, text: str, named: str) -> None:
    operators_file.write_text(text)
    with pytest.raises(InvalidSetting) as caught:
        load_catalogue(operators_file)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_named(operators_file: Path) -> None:
    operators_file.write_bytes(b"\xff")
    with pytest.raises(InvalidSetting, match=r"CELLBLOCK_RUNTIMES=.*runtimes\.toml"):
        load_catalogue(operators_file)


@pytest.mark.parametrize(
    ("place", "filled"),
    [
        ("-Xmx{memory_mib}m", "-Xmx512m"),
        ("{heap_mib}", "384"),
        ("{heap_hex}", "18000000"),
        (": >{heap_report}", ": >/tmp/.heap-report"),
        ("{memory_mib} {memory_mib}", "512 512"),
        ("{entry} {} {{memory_mib}", "{entry} {} {512"),
    ],
)
def test_the_cells_memory_is_filled_in_and_nothing_else(place: str, filled: str) -> None:
    assert fill_memory(place, 512 << 20) == filled


def test_a_runtimes_environment_speaks_of_the_cells_memory() -> None:
    node = load_catalogue()["node"]
    assert node.environment(64 << 20)["NODE_OPTIONS"].startswith("--max-old-space-size=48 ")


def test_files_are_known_by_their_interpreter_and_some_by_their_name() -> None:
    shown = {name: (runtime.shebangs, runtime.names) for name, runtime in load_catalogue().items()}
    assert shown == {
        "node": (("node",), ("package.json",)),
        "python": (("python", "python3"), ("pyproject.toml", "requirements.txt", "setup.py")),
        "cpp": ((), ("Makefile", "makefile", "GNUmakefile", "CMakeLists.txt")),
        "java": ((), ("pom.xml", "build.gradle")),
        "dotnet": ((), ()),
        "bash": (("sh", "bash", "dash"), ()),
    }


def test_compilers_get_more_than_the_programs_that_they_make() -> None:
    limits = {name: runtime.compile_limits for name, runtime in load_catalogue().items()}
    more = {"timeout": 60, "memory": 1 << 30, "disk": 256 << 20}
    assert limits["cpp"] == RuntimeLimits(**more, pids=128)
    assert limits["java"] == limits["dotnet"] == RuntimeLimits(**more, pids=256)
    assert {limits[name] for name in ("node", "python", "bash")} == {RuntimeLimits()}


def test_no_runtime_has_limits_of_its_own() -> None:
    assert {runtime.limits for runtime in load_catalogue().values()} == {RuntimeLimits()}


@pytest.mark.parametrize(
    ("name", "env"),
    [
        (
            "python",
            {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
        ),
        ("cpp", {"ASAN_OPTIONS": "detect_leaks=0"}),
        (
            "dotnet",
            {
                "DOTNET_EnableDiagnostics": "0",
                "DOTNET_EnableWriteXorExecute": "0",
                "DOTNET_GCHeapHardLimit": "3000000",
                "DOTNET_gcConcurrent": "0",
                "DOTNET_GCRegionSize": "100000",
                "DOTNET_GCgen0size": "400000",
            },
        ),
        (
            "java",
            {
                "CELL_JAVA_HEAP": "-XX:MaxRAM=64m -XX:MaxRAMPercentage=75 -XX:MinRAMPercentage=75",
                "CELL_JAVA_OPTIONS": "-XX:OnOutOfMemoryError=:>/tmp/.heap-report"
                " -XX:+UnlockDiagnosticVMOptions -XX:-DisplayVMOutput -XX:+UseSerialGC -XX:-UsePerfData",
            },
        ),
        ("bash", {}),
    ],
)
def test_a_runtime_has_the_environment_that_its_programs_need(name: str, env: dict[str, str]) -> None:
    assert load_catalogue()[name].environment(64 << 20) == env


@pytest.mark.parametrize(
    ("image", "is_pinned"),
    [
        (f"python@sha256:{'a' * 64}", True),
        (f"sha256:{'a' * 64}", True),
        ("python:3.11-slim", False),
        ("sha256", False),
    ],
)
def test_nothing_stands_in_for_a_pinned_image(image: str, is_pinned: bool) -> None:
    runtime = Runtime(name="python", image=image)
    assert runtime.is_pinned is is_pinned
    assert runtime.images == ((image,) if is_pinned else (image, "cellblock/python:local"))


@pytest.mark.parametrize("name", ["p", "p" * 32, "a_b-1"])
def test_a_runtime_has_a_short_lower_case_name(operators_file: Path, name: str) -> None:
    operators_file.write_text(f'[{name}]\nimage = "x"\n')
    assert name in load_catalogue(operators_file)


@pytest.mark.parametrize("name", ["p" * 33, "P", "1p", "-p"])
def test_another_name_is_refused(operators_file: Path, name: str) -> None:
    operators_file.write_text(f'[{name}]\nimage = "x"\n')
    with pytest.raises(InvalidSetting, match="give a table under a lower-case name"):
        load_catalogue(operators_file)


@pytest.mark.parametrize("start", ["{ files = [], run = ['x'] }", "{ files = ['x'], run = [] }"])
def test_a_start_needs_files_and_a_command(operators_file: Path, start: str) -> None:
    operators_file.write_text(f'[perl]\nimage = "x"\nstart = [{start}]\n')
    with pytest.raises(InvalidSetting, match=r"perl\.start\.0\.(files|run)"):
        load_catalogue(operators_file)


@pytest.mark.parametrize("digest", ["a" * 63, "a" * 65, "A" * 64, "g" * 64, ""])
@pytest.mark.parametrize("start", ["sha256:", "python@sha256:", "python@md5:"])
def test_a_digest_that_is_none_is_refused_with_its_place(
    operators_file: Path, start: str, digest: str
) -> None:
    operators_file.write_text(f'[python]\nimage = "{start}{digest}"\n')
    words = r"^Runtime catalogue, python\.image: a digest is sha256: and 64 hexadecimal digits$"
    with pytest.raises(InvalidSetting, match=words):
        load_catalogue(operators_file)


def test_a_jobs_own_value_follows_that_of_a_joined_variable_and_replaces_any_other() -> None:
    runtime = Runtime(name="x", image="x", env={"A": "-a", "B": "b"}, joined=("A", "C"))
    assert runtime.with_own({"A": "-z", "B": "z", "C": "z"}, 1) == {"A": "-a -z", "B": "z", "C": "z"}


def test_a_compiler_has_its_own_image_before_the_local_build() -> None:
    dotnet, java = load_catalogue()["dotnet"], load_catalogue()["java"]
    assert dotnet.compiler.images == ("mcr.microsoft.com/dotnet/sdk:8.0-alpine", "cellblock/dotnet:local")
    assert java.compiler == java
