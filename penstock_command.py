"""The `penstock` command's first step; it stands outside the package because nothing heavy may be loaded yet.

XLA's convolutions allocate large temporary buffers at each call, and on Linux the page faults cost as much as the
arithmetic unless malloc asks for huge pages. glibc decides that when a process starts, so `penstock run` starts Python
once more with `GLIBC_TUNABLES=glibc.malloc.hugetlb=1`. Set the variable yourself to choose otherwise.
"""

from __future__ import annotations

import os
import sys

HUGE_PAGES = "glibc.malloc.hugetlb=1"
HUGE_PAGE_MODE = "/sys/kernel/mm/transparent_hugepage/enabled"


def main() -> None:
    """Runs the command line."""
    if sys.argv[1:2] == ["run"] and can_ask_for_huge_pages():
        environment = {**os.environ, "GLIBC_TUNABLES": HUGE_PAGES}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)

    from penstock.cli import main as command_line

    sys.exit(command_line())


def can_ask_for_huge_pages() -> bool:
    """True where the setting is free and changes something: glibc, and a kernel that gives huge pages on request."""
    if sys.platform != "linux" or "GLIBC_TUNABLES" in os.environ or not sys.executable:
        return False
    try:
        with open(HUGE_PAGE_MODE, encoding="ascii") as mode:
            return "[madvise]" in mode.read() and bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (OSError, ValueError):
        return False


if __name__ == "__main__":
    main()
