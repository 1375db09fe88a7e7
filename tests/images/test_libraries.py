"""The example runtimes with libraries: what their packages need works in a cell, on each engine."""

from __future__ import annotations

import base64
import os
import shutil
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from config import load_catalogue, load_settings
from sandbox import Sandbox, SandboxUnavailable, Status
from sandbox.engines.docker.images import DockerImages
from sandbox.engines.oci.images import OciImages
from sandbox.engines.oci.store import Store
from sandbox.errors import ImageBuildFailed
from sandbox.images import build, recipe_of
from tests.conftest import unavailable
from tests.docs.page import read_page
from tests.docs.script import prints, session, steps
from tests.docs.test_examples import fits, run
from tests.engines import environment
from tests.images.conftest import own_tags
from tests.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    import docker

# A first build fetches and compiles all packages.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

EXAMPLES = ROOT / "examples" / "libraries"
RUNTIMES = EXAMPLES / "runtimes.toml"
PLOT, RAIN, TESTS = ((EXAMPLES / name).read_text() for name in ("plot.py", "rain.csv", "sum.test.js"))
PNG = b"\x89PNG\r\n\x1a\n"
THREADS = """
import os
from concurrent.futures import ThreadPoolExecutor
import numpy

def largest(seed):
    return numpy.linalg.svd(numpy.random.default_rng(seed).random((200, 200)))[1][0]

with ThreadPoolExecutor(4) as threads:
    print(sum(threads.map(largest, [1, 1, 1, 1])) == 4 * largest(1))
matrix = numpy.ones((600, 600))
print((matrix @ matrix)[0, 0], len(os.listdir("/proc/self/task")) > 1)
"""
PICTURE = """
from PIL import Image, ImageDraw, ImageFont
image = Image.new("RGB", (60, 20))
ImageDraw.Draw(image).text((2, 2), "hé", font=ImageFont.load_default(12))
for kind in ("png", "jpeg", "webp", "tiff", "gif"):
    image.save(f"a.{kind}")
    print(Image.open(f"a.{kind}").format, end=" ")
"""


@pytest.fixture(scope="module")
def prefix(engine: docker.APIClient) -> Iterator[str]:
    """Gives a prefix for the tags of the images in Docker, which has those of the examples."""
    with own_tags(engine) as prefix:
        yield prefix


@pytest.fixture(scope="module", params=["docker", "oci+crun"])
def data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Gives a sandbox of an engine that has the image of the runtime data."""
    if request.param == "docker":
        settings = on_docker(request, tmp_path_factory.mktemp("libraries"))
    else:
        settings = on_oci(request, "data")
    with Sandbox(load_settings(**settings)) as real:
        yield real


@pytest.fixture(scope="module")
def web_test(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Gives a sandbox of the engine oci that has the image of the runtime web-test."""
    with Sandbox(load_settings(**on_oci(request, "web-test"))) as real:
        yield real


def on_docker(request: pytest.FixtureRequest, folder: Path) -> dict[str, Any]:
    images = DockerImages(request.getfixturevalue("engine"))
    tag = build_example("data", images, request.getfixturevalue("prefix"))
    text = RUNTIMES.read_text().replace("[data]\n", f'[data]\nimage = "{tag}"\n')
    (folder / "runtimes.toml").write_text(text)
    return {"runtimes": folder / "runtimes.toml", "pull": "never"}


def on_oci(request: pytest.FixtureRequest, name: str, runtimes: Path = RUNTIMES) -> dict[str, Any]:
    if shutil.which("crun") is None:
        unavailable("There is no crun. Try: apt-get install crun")
    settings: dict[str, Any] = request.getfixturevalue("oci_settings")
    build_example(name, OciImages(Store(settings["store"])), "cellblock", runtimes)
    return {"runtimes": runtimes, **settings, "oci_runtime": "crun"}


def build_example(name: str, images: DockerImages | OciImages, prefix: str, runtimes: Path = RUNTIMES) -> str:
    """Build the image of a runtime with packages. Returns its tag."""
    try:
        recipe = recipe_of(name, load_catalogue(runtimes), locks=runtimes.parent)
        return build(recipe, images, prefix=prefix).tag
    except ImageBuildFailed as error:
        unavailable(str(error))
        raise


def test_a_table_becomes_a_plot(data: Sandbox) -> None:
    result = data.run(None, "data", files={"plot.py": PLOT}, stdin=RAIN, artifacts=["**"])
    assert (result.status, result.stderr) == (Status.SUCCEEDED, "")
    assert "mean   807.0  1192.2" in result.stdout
    # Nothing that matplotlib keeps for later is beside them.
    assert set(result.artifacts) == {"plot.py", "plot.png"}
    assert base64.b64decode(result.artifacts["plot.png"].base64).startswith(PNG)


def test_numbers_are_worked_on_by_several_threads(data: Sandbox) -> None:
    result = data.run(["python3", "-c", THREADS], "data")
    assert (result.stdout, result.stderr) == ("True\n600.0 True\n", "")


def test_pictures_of_all_kinds_are_written_and_read(data: Sandbox) -> None:
    result = data.run(["python3", "-c", PICTURE], "data")
    assert (result.stdout, result.stderr) == ("PNG JPEG WEBP TIFF GIF ", "")


def test_modules_are_compiled_when_the_image_is_built(data: Sandbox) -> None:
    check = "import json, os, pandas; print([os.path.exists(one.__cached__) for one in (json, pandas)])"
    assert data.run(["python3", "-c", check], "data").stdout == "[True, True]\n"


def test_programs_of_packages_start_by_their_names(data: Sandbox) -> None:
    assert data.run("f2py -v", "data").stdout.startswith("2.")


def test_tests_of_javascript_run_by_jest(web_test: Sandbox) -> None:
    passing = web_test.run(None, "web-test", files={"sum.test.js": TESTS})
    assert (passing.status, "2 passed" in passing.stderr) == (Status.SUCCEEDED, True)
    failing = web_test.run(None, "web-test", files={"sum.test.js": TESTS.replace("toBe(6)", "toBe(7)")})
    assert (failing.status, "Expected: 7" in failing.stderr) == (Status.FAILED, True)


def test_modules_of_node_are_found_by_import_and_by_require(web_test: Sandbox) -> None:
    ways = {"a.mjs": "import {diff} from 'jest-diff'", "a.cjs": "const {diff} = require('jest-diff')"}
    files = {name: f"{text}\nconsole.log(typeof diff)\n" for name, text in ways.items()}
    assert web_test.run("node a.mjs && node a.cjs", "web-test", files=files).stdout == "function\n" * 2


def test_packages_of_debian_find_the_libraries_that_are_alternatives(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    path = tmp_path / "runtimes.toml"
    path.write_text('[numbers]\nextends = "python"\npackages = { apt = ["python3-numpy"] }\n')
    with Sandbox(load_settings(**on_oci(request, "numbers", path))) as real:
        result = real.run(["python3", "-c", "import numpy; print(numpy.ones(3) @ numpy.ones(3))"], "numbers")
    assert (result.stdout, result.stderr) == ("3.0\n", "")


def test_the_page_leads_from_a_table_to_a_plot_and_to_tests(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The page is add-a-library.md."""
    page = read_page("docs/how-to/add-a-library.md")
    told = list(chain.from_iterable(steps(block.text) for block in page.of("console")))
    _, made = on_oci(request, "data"), on_oci(request, "web-test")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    settings = os.environ | environment(load_settings(**made)) | {"PYTHONPATH": str(ROOT)}
    settings["PATH"] = f"{Path(sys.executable).parent}:{settings['PATH']}"
    shown = prints(run(["bash", "-c", session(told)], settings, tmp_path))
    for step, output in zip(told, shown, strict=True):
        assert fits(step.output, output), f"$ {step.command}\n{output}"
    assert (tmp_path / "plot.png").read_bytes().startswith(PNG)


@pytest.mark.usefixtures("engine")
def test_a_job_whose_image_was_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    (tmp_path / "runtimes.toml").write_text('[none]\nextends = "python"\npackages = ["numpy"]\n')
    settings = load_settings(runtimes=tmp_path / "runtimes.toml", pull="never")
    with Sandbox(settings) as other, pytest.raises(SandboxUnavailable, match="cellblock images build none"):
        other.run("true", "none")
