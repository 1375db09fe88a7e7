from __future__ import annotations

import re
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import docker
import pytest

from sandbox.engines.docker.images import DockerImages
from sandbox.engines.image import CONTENTS_LABEL
from sandbox.images import build, load_recipe, runtimes

pytestmark = [pytest.mark.engine]

_HARDENED = (
    "--read-only",
    "--network=none",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--user=65534:65534",
    "--pids-limit=128",
    "--memory=512m",
    "--workdir=/workspace",
    "--tmpfs=/workspace:rw,exec,nosuid,nodev,size=64m,mode=0700,uid=65534,gid=65534",
    "--tmpfs=/tmp:rw,noexec,nosuid,nodev,size=64m,mode=1777",
)


def hardened(image: str, *argv: str, stdin: str = "") -> str:
    command = ["docker", "run", "--rm", "-i", *_HARDENED, image, *argv]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def tag(client: docker.APIClient) -> Callable[[str], str]:
    """Gives a function that builds a runtime's image, if that has not been done, and returns its tag."""
    return lambda runtime: build(load_recipe(runtime), DockerImages(client)).tag


@pytest.fixture
def bash(tag: Callable[[str], str]) -> str:
    return tag("bash")


@pytest.fixture
def python(tag: Callable[[str], str]) -> str:
    return tag("python")


@pytest.mark.parametrize("runtime", ["bash", "cpp", "dotnet", "java", "node", "python"])
def test_every_runtime_has_the_everyday_tools(tag: Callable[[str], str], runtime: str) -> None:
    tools = (
        *("awk", "bash", "bc", "bzip2", "cat", "column", "dd", "diff", "ed", "env", "find", "git", "grep"),
        *("gzip", "head", "hexdump", "hostname", "jq", "less", "patch", "perl", "ps", "rev", "sed", "sh"),
        *("sqlite3", "tar", "time", "tree", "unzip", "which", "xxd", "xz", "zip"),
    )
    found = hardened(tag(runtime), "which", *tools)
    assert found.split() == [f"/usr/bin/{tool}" for tool in tools]


@pytest.mark.parametrize(
    ("script", "prints"),
    [
        ("echo '2^64' | bc", "18446744073709551616"),
        ("echo abc | rev | xxd -p", "6362610a"),
        ("echo '{\"a\": [1, 2]}' | jq '.a | add'", "3"),
        ("sqlite3 :memory: 'select 6 * 7'", "42"),
        ("perl -MList::Util=sum -e 'print sum(1..4)'", "10"),
        ("printf 'a b\\nccc d\\n' | column -t | tail -1", "ccc  d"),
        ("ps -o comm= -p $$", "sh"),
        ("echo a >x; zip -q x.zip x; unzip -p x.zip", "a"),
        ("echo a >x; echo b >y; diff x y | patch -s x; cat x", "b"),
        ("getent services https", "https                 443/tcp"),
    ],
)
def test_bash_has_tools_that_work(bash: str, script: str, prints: str) -> None:
    assert hardened(bash, "sh", "-c", script).strip() == prints


def test_git_keeps_versions_and_joins_them(bash: str) -> None:
    script = """
export HOME=/workspace
git config --global user.email a@b; git config --global user.name a
git config --global init.defaultBranch main
git init -q one; cd one
echo 1 >a; git add a; git commit -qm one; git checkout -qb side; echo 2 >b; git add b; git commit -qm two
git checkout -q main; echo 3 >c; git add c; git commit -qm three; git merge -q -m four side
git clone -q /workspace/one /workspace/two; git -C /workspace/two log --format=%s | sort | tr '\n' ' '
"""
    assert hardened(bash, "sh", "-c", script) == "four one three two "


def test_bash_runs_as_nobody_in_its_workspace(bash: str) -> None:
    assert hardened(bash, "sh", "-c", "id -u; pwd; echo ~") == "65534\n/workspace\n/workspace\n"


def test_bash_counts_characters_not_bytes(bash: str) -> None:
    assert hardened(bash, "bash", "-c", 'x=é; echo ${#x}; echo "$x" | sed s/./y/') == "1\ny\n"


def test_bash_packs_and_unpacks(bash: str) -> None:
    script = "tar -cz -C /etc passwd | tar -xz && head -c 4 passwd"
    assert hardened(bash, "sh", "-c", script) == "root"


@pytest.mark.parametrize("runtime", ["bash", "cpp", "proxy", "python"])
def test_no_program_of_an_image_lacks_a_library(tag: Callable[[str], str], runtime: str) -> None:
    files = "/usr/bin/* /usr/lib/*/*.so* /usr/lib/python3*/lib-dynload/* /usr/libexec/gcc/*/*/*"
    assert hardened(tag(runtime), "sh", "-c", f"ldd {files} 2>/dev/null | grep 'not found'; :") == ""


@pytest.mark.parametrize(
    ("runtime", "contains"),
    [
        ("bash", r"bash 5\.\d"),
        ("cpp", r"GCC 14\.\d+\.\d+"),
        ("dotnet", r"\.NET 8\."),
        ("java", r"OpenJDK 21\."),
        ("node", r"Node\.js 22\."),
        ("python", r"Python 3\.11\."),
    ],
)
def test_an_image_has_the_version_that_the_catalogue_names_and_says_so(
    tag: Callable[[str], str], client: docker.APIClient, runtime: str, contains: str
) -> None:
    image = DockerImages(client).find(tag(runtime))
    assert image is not None
    assert re.match(contains, image.labels[CONTENTS_LABEL])


@pytest.mark.parametrize("runtime", runtimes())
def test_nothing_in_an_image_is_setuid(tag: Callable[[str], str], runtime: str) -> None:
    assert hardened(tag(runtime), "sh", "-c", "find / -xdev -perm /6000 2>/dev/null; :") == ""


def test_python_is_there_by_both_names(python: str) -> None:
    assert hardened(python, "python", "-c", "print(6*7)") == hardened(python, "python3", "-c", "print(6*7)")


def test_python_has_its_standard_library(python: str) -> None:
    script = """
import asyncio, bz2, ctypes, curses, lzma, multiprocessing, readline, sqlite3, ssl, zoneinfo, zlib
from concurrent.futures import ProcessPoolExecutor
if __name__ == "__main__":
    print(sqlite3.connect(":memory:").execute("select 42").fetchone()[0])
    print(*ProcessPoolExecutor(2).map(abs, [-1, -2]))
    print(ctypes.CDLL(None).getuid(), zoneinfo.ZoneInfo("Europe/Paris"), ssl.HAS_TLSv1_3)
"""
    assert hardened(python, "python", "-", stdin=script) == "42\n1 2\n65534 Europe/Paris True\n"


def test_python_trusts_the_usual_authorities_and_loads_extension_modules(python: str) -> None:
    script = """
import ctypes, ssl
ctypes.CDLL("libstdc++.so.6")
print(len(ssl.create_default_context().get_ca_certs()) > 50)
"""
    assert hardened(python, "python", "-", stdin=script) == "True\n"


def test_python_has_its_standard_library_compiled(python: str) -> None:
    script = "import asyncio, os; print(os.path.exists(asyncio.__cached__), asyncio.run.__code__.co_filename)"
    assert hardened(python, "python", "-c", script) == "True /usr/lib/python3.11/asyncio/runners.py\n"


def test_python_makes_environments_with_pip(python: str) -> None:
    assert hardened(python, "sh", "-c", "python -m venv v && v/bin/pip --version").startswith("pip ")


def test_cpp_knows_time_zones(tag: Callable[[str], str]) -> None:
    program = """
#include <chrono>
#include <print>
int main() {
    using namespace std::chrono;
    std::println("{:%H}", zoned_time("Europe/Paris", sys_days{2024y / 7 / 1}));
}"""
    script = "g++ -std=c++23 -x c++ - -o a && ./a"
    assert hardened(tag("cpp"), "sh", "-c", script, stdin=program) == "02\n"


def test_cpp_compiles_and_runs_modern_cpp(tag: Callable[[str], str]) -> None:
    program = """
#include <bits/stdc++.h>
int main() {
    std::vector<int> v{3, 1, 2};
    std::ranges::sort(v);
    std::jthread([&] { std::cout << v[0] << std::sqrt(4.0) << std::endl; });
}"""
    script = "g++ -O2 -std=c++20 -pthread -x c++ - -o a && ./a"
    assert hardened(tag("cpp"), "sh", "-c", script, stdin=program) == "12\n"


def test_cpp_makes_c_programs_and_finds_their_mistakes(tag: Callable[[str], str]) -> None:
    program = "#include <stdlib.h>\nint main(void) { volatile int *p = malloc(4); return p[1]; }"
    script = "cat >a.c && make -s CFLAGS=-fsanitize=address a && ./a 2>&1 | grep -c ERROR.*overflow"
    assert hardened(tag("cpp"), "sh", "-c", script, stdin=program) == "1\n"


def test_java_runs_a_source_file_and_a_compiled_one(tag: Callable[[str], str]) -> None:
    program = """
public class Main {
    public static void main(String[] a) throws Exception {
        java.security.MessageDigest.getInstance("SHA-256");
        System.out.println("é " + java.time.ZoneId.of("Europe/Paris"));
    }
}"""
    script = "cat >Main.java && java Main.java && javac Main.java && java Main"
    assert hardened(tag("java"), "sh", "-c", script, stdin=program) == "é Europe/Paris\n" * 2


def test_node_has_its_modules(tag: Callable[[str], str]) -> None:
    program = """
import {createHash} from 'node:crypto'
console.log('é', createHash('md5').update('').digest('hex').slice(0, 8))
"""
    assert hardened(tag("node"), "node", "--input-type=module", "-", stdin=program) == "é d41d8cd9\n"


def test_dotnet_has_its_runtime(tag: Callable[[str], str]) -> None:
    assert hardened(tag("dotnet"), "dotnet", "--list-runtimes").startswith("Microsoft.NETCore.App 8.")


@pytest.mark.skipif(not shutil.which("mcs"), reason="needs the package mono-mcs")
def test_dotnet_runs_an_assembly(tag: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "a.cs").write_text(
        "class A { static void Main() { System.Security.Cryptography.SHA256.Create(); "
        'System.Console.WriteLine("é"); } }'
    )
    subprocess.run(["mcs", "-out:a.dll", "a.cs"], cwd=tmp_path, check=True, timeout=60)
    program = b64encode((tmp_path / "a.dll").read_bytes()).decode()
    framework = '{"runtimeOptions":{"framework":{"name":"Microsoft.NETCore.App","version":"8.0.0"}}}'
    script = f"base64 -d >a.dll; echo '{framework}' >a.runtimeconfig.json; dotnet a.dll"
    assert hardened(tag("dotnet"), "sh", "-c", script, stdin=program) == "é\n"
