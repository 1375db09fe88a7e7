from __future__ import annotations

from sandbox.images.alternatives import Alternative, best, parse_alternatives

SCRIPT = """\
set -e
if [ "$1" = configure ]; then
    update-alternatives --quiet --install /usr/lib/libblas.so.3 \\
        libblas.so.3 /usr/lib/blas/libblas.so.3 10 \\
        --slave /usr/lib/libcblas.so.3 libcblas.so.3 /usr/lib/blas/libcblas.so.3
    update-alternatives --install $link name $path 5
    update-alternatives --remove name /usr/bin/old
fi
"""


def test_links_are_read_from_a_packages_script() -> None:
    assert parse_alternatives(SCRIPT) == [
        Alternative("/usr/lib/libblas.so.3", "/usr/lib/blas/libblas.so.3", 10),
        Alternative("/usr/lib/libcblas.so.3", "/usr/lib/blas/libcblas.so.3", 10),
    ]


def test_the_highest_priority_wins_and_of_two_alike_the_first() -> None:
    low, high = Alternative("/l", "/low", 10), Alternative("/l", "/high", 100)
    assert best([low, high]) == best([high, low]) == {"/l": "/high"}
    assert best([Alternative("/l", "/first", 10), low]) == {"/l": "/first"}
