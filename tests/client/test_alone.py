"""The client in an environment that has nothing but what it names, beside an app with names of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Worker

README = (ROOT / "client" / "README.md").read_text()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client's wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT / "client", check=True, capture_output=True)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="session")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment with the client and the packages that it needs."""
    venv = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    packages = next(venv.glob("lib/python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    for name in needed(["celery[redis]"]):
        link(name, packages)
    return venv / "bin" / "python"


def needed(asked: list[str]) -> set[str]:
    """The names of these distributions and of all that they need, as pip would install them."""
    found: set[tuple[str, str]] = set()
    while asked:
        one = Requirement(asked.pop())
        for extra in {"", *one.extras}:
            if (one.name, extra) in found or (one.marker and not one.marker.evaluate({"extra": extra})):
                continue
            found.add((one.name, extra))
            wanted = map(Requirement, distribution(one.name).requires or [])
            asked += [str(each) for each in wanted if applies(each, extra)]
    return {name for name, _ in found}


def applies(wanted: Requirement, extra: str) -> bool:
    applied = wanted.marker is None or wanted.marker.evaluate({"extra": extra})
    wanted.marker = None
    return applied


def link(name: str, packages: Path) -> None:
    """Link what the distribution has in this environment into another one."""
    about = distribution(name)
    for top in {file.parts[0] for file in about.files or []} - {"..", "__pycache__"}:
        if not (packages / top).exists():
            (packages / top).symlink_to(str(about.locate_file(top)))


def run(python: Path, program: str, folder: Path, **settings: str) -> str:
    """What a program prints there. Its folder is the first on its path, as that of an app is."""
    (folder / "app.py").write_text(program)
    env = {"PATH": os.environ["PATH"], **settings}
    done = subprocess.run(
        [python, "app.py"], cwd=folder, env=env, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_has_the_client_with_its_types_and_nothing_of_the_workers(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {"cellblock/py.typed", "cellblock_client-0.1.0.dist-info/licenses/LICENSE"} <= set(names)
    assert {name.partition("/")[0] for name in names} == {"cellblock", "cellblock_client-0.1.0.dist-info"}


def test_the_readme_does_what_it_says_with_the_client_alone(
    python: Path, worker: Worker, tmp_path: Path
) -> None:
    program = README.partition("```python\n")[2].partition("```")[0]
    address = "redis://localhost:6379/0"
    assert address in program
    said = run(python, program.replace(address, worker.broker_url), tmp_path)
    assert [line for line in said.splitlines() if line] == [
        "hi",
        "start b'1'",
        "stdout b'1\\n'",
        "stdout b'2\\n'",
        "stdout b'3\\n'",
        "end b'cancelled'",
        "3",
    ]


def test_nothing_of_the_workers_is_there(python: Path, tmp_path: Path) -> None:
    tried = (
        "for name in ('tasks', 'sandbox', 'config', 'cli', 'docker', 'pydantic'):\n    try: __import__(name)"
    )
    said = run(python, f"{tried}\n    except ImportError: print('no', name)", tmp_path)
    assert said.count("no") == 6


def test_importing_it_is_quick_and_loads_neither_celery_nor_redis(python: Path, tmp_path: Path) -> None:
    timed = """
import sys, time
began = time.process_time()
from cellblock import Cellblock, CommandFailed, run_sandboxed
print(time.process_time() - began)
Cellblock("redis://192.0.2.1/0")
assert not {"celery", "kombu", "redis", "asyncio"} & set(sys.modules)
"""
    assert min(float(run(python, timed, tmp_path)) for _ in range(3)) < 0.4


BESIDE = """
import os, sys, threading
os.environ["DJANGO_SETTINGS_MODULE"] = "nothing"
import tasks, config
from celery import current_app, shared_task, signals
from kombu import serialization
@shared_task
def theirs(): return 1
registry, path = dict(serialization.registry._decoders), list(sys.path)
import cellblock
print(cellblock.run_sandboxed.delay("echo hi", "bash").get(60).stdout.strip())
seen = []
def look(): seen.append((current_app.main, theirs.app.main))
look()
thread = threading.Thread(target=look); thread.start(); thread.join()
listening = [name for name in dir(signals) if getattr(getattr(signals, name), "receivers", None)]
print(set(seen), tasks.mine, config.mine, tasks.app.conf.broker_url)
print(sys.path == path, registry == serialization.registry._decoders, listening)
"""


def test_an_app_with_its_own_tasks_config_and_celery_is_left_alone(
    python: Path, worker: Worker, tmp_path: Path
) -> None:
    (tmp_path / "tasks.py").write_text(
        "from celery import Celery\nmine = 'my tasks'\n"
        "app = Celery('mine', broker='memory://', backend='cache+memory://', fixups=[])\napp.set_default()\n"
    )
    (tmp_path / "config.py").write_text("mine = 'my config'\n")
    # With this setting no message can be sent.
    (tmp_path / "celeryconfig.py").write_text("task_compression = 'a method of their own'\n")
    said = run(
        python,
        BESIDE,
        tmp_path,
        CELLBLOCK_BROKER_URL=worker.broker_url,
        # The app's own, for which no worker of ours listens.
        CELERY_RESULT_BACKEND="redis://127.0.0.1:1/0",
        CELERY_BROKER_URL="memory://",
        CELERY_LOADER="celery.loaders.default:Loader",
    ).splitlines()
    assert said == ["hi", "{('mine', 'mine')} my tasks my config memory://", "True True []"]


FORKED = """
import os
from cellblock import Cellblock
cells = Cellblock()
cells.run("true")
child = os.fork()
said = cells.run("echo hi").stdout
if child == 0:
    os._exit(0 if said == "hi\\n" else 1)
print(said.strip(), os.waitpid(child, 0)[1])
"""


def test_a_process_that_is_forked_can_use_the_same_client(
    python: Path, worker: Worker, tmp_path: Path
) -> None:
    assert run(python, FORKED, tmp_path, CELLBLOCK_BROKER_URL=worker.broker_url) == "hi 0\n"


TYPED = """
from cellblock import Cellblock, CommandFailed, run_sandboxed

cells = Cellblock()
code: int | None = cells.run("true", timeout=1.5, memory="64m", files={"a": b""}, live=True).exit_code
text: str = run_sandboxed.delay(["ls"], "bash", check=True).get(timeout=3).stdout
"""
MISTYPED = {
    'cells.run("true", memmory=1)': "call-arg",
    'cells.run("true", timeout="soon")': "arg-type",
    "cells.run(3)": "arg-type",
    'run_sandboxed.delay("true", live=True)': "call-arg",
    'cells.submit("true").stdout': "attr-defined",
    'wrong: str = cells.run("true").exit_code': "assignment",
}


def test_a_type_checker_knows_every_argument_and_attribute(python: Path, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(TYPED + "\n".join(MISTYPED))
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(python), "app.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if ": error: " in line]
    first = TYPED.count("\n") + 1
    assert [(line.split(":")[1], line.split()[-1]) for line in lines] == [
        (str(number), f"[{kind}]") for number, kind in enumerate(MISTYPED.values(), first)
    ], done.stdout
