"""Runtimes that extend others, and the packages that they add."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from config import InvalidSetting, load_catalogue

if TYPE_CHECKING:
    from pathlib import Path

    from config import Runtime


def extended(folder: Path, text: str, name: str = "data") -> Runtime:
    path = folder / "runtimes.toml"
    path.write_text(text)
    return load_catalogue(path)[name]


def test_a_runtime_has_what_the_one_that_it_extends_has(tmp_path: Path) -> None:
    cpp = load_catalogue()["cpp"]
    big = extended(tmp_path, '[data]\nextends = "cpp"\n')
    assert (big.start, big.env, big.compile_limits) == (cpp.start, cpp.env, cpp.compile_limits)


def test_it_owns_no_files_so_that_a_job_gets_it_by_name_only(tmp_path: Path) -> None:
    data = extended(tmp_path, '[data]\nextends = "python"\n')
    assert (data.extensions, data.shebangs, data.names) == ((), (), ())


def test_single_variables_and_limits_replace_those_of_the_other(tmp_path: Path) -> None:
    data = extended(
        tmp_path,
        '[data]\nextends = "cpp"\nenv = { A = "1" }\nlimits.pids = 9\ncompile_limits.timeout = 5\n',
    )
    assert data.env == load_catalogue()["cpp"].env | {"A": "1"}
    assert data.limits.pids == 9
    assert (data.compile_limits.timeout, data.compile_limits.pids) == (5, 128)


def test_it_follows_what_the_operator_changes_in_the_other(tmp_path: Path) -> None:
    text = '[python]\nlimits = { memory = "1g" }\n[data]\nextends = "python"\nlimits = { pids = 9 }\n'
    assert extended(tmp_path, text).limits.memory == 1 << 30


def test_without_packages_it_has_the_images_of_the_other(tmp_path: Path) -> None:
    data = extended(tmp_path, '[data]\nextends = "python"\n')
    assert data.images == load_catalogue()["python"].images
    assert not data.is_built


def test_with_packages_it_has_an_image_of_its_own_that_no_registry_has(tmp_path: Path) -> None:
    data = extended(tmp_path, '[data]\nextends = "python"\npackages = ["numpy"]\n')
    assert (data.images, data.is_built) == (("cellblock/data:local",), True)


def test_an_image_that_it_names_comes_first(tmp_path: Path) -> None:
    data = extended(tmp_path, '[data]\nextends = "python"\nimage = "mine:1"\npackages = ["numpy"]\n')
    assert data.images == ("mine:1", "cellblock/data:local")


@pytest.mark.parametrize(("base", "program"), [("python", "pip"), ("node", "npm"), ("bash", "apt")])
def test_a_list_of_packages_is_for_the_program_of_the_language(
    tmp_path: Path, base: str, program: str
) -> None:
    data = extended(tmp_path, f'[data]\nextends = "{base}"\npackages = ["one"]\n')
    assert getattr(data.packages, program) == ("one",)


def test_packages_of_several_programs_go_together_and_add_up(tmp_path: Path) -> None:
    text = (
        '[data]\nextends = "python"\npackages = { pip = ["numpy==2.*"], apt = ["gnuplot"] }\n'
        '[plots]\nextends = "data"\npackages = ["plotly[express]>=6"]\n'
    )
    plots = extended(tmp_path, text, "plots")
    assert plots.packages.pip == ("numpy==2.*", "plotly[express]>=6")
    assert plots.packages.apt == ("gnuplot",)


@pytest.mark.parametrize(
    "package",
    [
        *("-r /etc/passwd", "../secret", "x @ https://example.com/x.whl", "https://example.com/x.whl"),
        *("x==1; python_version > '3'", "git+https://example.com/x", "x\n--index-url=y", ""),
    ],
)
def test_a_package_is_a_name_with_versions_and_nothing_else(tmp_path: Path, package: str) -> None:
    text = f"[data]\nextends = 'python'\npackages = ['''{package}''']\n"
    with pytest.raises(InvalidSetting, match=r"^Runtime catalogue, data\.packages\.pip\.0: "):
        extended(tmp_path, text)


@pytest.mark.parametrize("package", ["file:../x", "x@https://example.com/x.tgz", "user/repository", "-g"])
def test_a_package_of_node_is_a_name_with_versions_too(tmp_path: Path, package: str) -> None:
    with pytest.raises(InvalidSetting, match=r"^Runtime catalogue, data\.packages\.npm\.0: "):
        extended(tmp_path, f'[data]\nextends = "node"\npackages = ["{package}"]\n')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '[data]\nextends = "pyton"\n',
            "data.extends: there is no runtime 'pyton'. There are: node,",
        ),
        ("[data]\nextends = 1\n", "data.extends: there is no runtime 1."),
        ('[data]\nextends = "data"\n', "data.extends: a runtime cannot extend itself"),
        ('[a]\nextends = "b"\n[b]\nextends = "a"\n', "extends: a runtime cannot extend itself"),
        (
            '[python]\npackages = ["numpy"]\n',
            "python: packages are added to another runtime's: name",
        ),
        ('[data]\nextends = "python"\npackages = 1\n', "data.packages: "),
        ('[data]\nextends = "python"\npackages = { cargo = ["x"] }\n', "data.packages.cargo: "),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        extended(tmp_path, text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
