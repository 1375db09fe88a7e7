"""The small programs that look at a workspace, in a cell: nothing of it is unpacked anywhere else.

They need only a POSIX shell and the everyday tools that BusyBox has as well.
"""

from __future__ import annotations

__all__ = ["IS_FOLDER", "LIST", "NO_SUCH", "READ", "UNUSUAL"]

#: What their exit codes mean.
NO_SUCH, IS_FOLDER, UNUSUAL = 41, 42, 43

#: Writes the size of the file $1, and then from byte $2 on at most $3 bytes of it in base64.
READ = f"""
[ -e "$1" ] || [ -L "$1" ] || exit {NO_SUCH}
[ -d "$1" ] && exit {IS_FOLDER}
[ -f "$1" ] || exit {UNUSUAL}
wc -c <"$1"
tail -c "+$2" "$1" | head -c "$3" | base64
"""

#: Writes for some files at a time their types and sizes, one on each line, and then their names. NULs stand
#: between these and behind each name. $1 is the folder, $2 the most bytes to write.
LIST = f"""
[ -e "$1" ] || exit {NO_SUCH}
[ -d "$1" ] || exit {UNUSUAL}
find "$1/." -mindepth 1 -print0 | xargs -0 -n 200 sh -c '
[ $# -gt 0 ] || exit 0
stat -c "%f %s" "$@"
printf "\\0"
printf "%s\\0" "$@"
printf "\\0"
' sh | head -c "$2"
"""
