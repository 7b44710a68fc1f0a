"""Installs one set of this project's dependencies into the running interpreter's environment, with progress.

`python tools/install.py demo`: `demo` is one of the optional dependencies in pyproject.toml. Quiet installs
take most of a minute on a new machine, and a silent minute looks like a hang.
"""

import re
import subprocess
import sys
import time

_PIP = (
    "-m",
    "pip",
    "--disable-pip-version-check",
    "install",
    "--progress-bar",
    "off",
    "--only-binary",
    ":all:",
)
_FOUND = re.compile(r"Collecting ([A-Za-z0-9_.-]+)")
_LAST_LINES = 20
_STRIDE = 10
"""The number of packages for each line of a log, where no line can be written over."""


def main(extra: str) -> int:
    """Install, and return pip's exit code; its last lines are printed only when it failed."""
    command = (sys.executable, *_PIP, "--constraint", "constraints.txt", "--editable", f".[{extra}]")
    started, packages, lines = time.monotonic(), set[str](), list[str]()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        for line in pip.stdout or ():
            lines.append(line)
            if found := _FOUND.match(line):
                packages.add(found[1])
                _show(f"  {len(packages)} packages found", of_many=len(packages) % _STRIDE != 0)
            elif line.startswith("Installing collected"):
                _show(f"  unpacking {len(packages)} packages")
    if pip.returncode:
        print("\n" + "".join(lines[-_LAST_LINES:]), end="")
    else:
        _show(f"  {len(packages)} packages in {time.monotonic() - started:.0f} s")
        print()
    return pip.returncode


def _show(text: str, *, of_many: bool = False) -> None:
    """Write over the line on a terminal; in a log write a line of its own, unless it is one of many."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K{text}", end="", flush=True)
    elif not of_many:
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
