"""Finds out which version of a program is installed, without running more of it than needed."""

import subprocess


def of_package(name: str) -> str:
    """Return the version of an installed Debian package, or `?`."""
    command = ["dpkg-query", "-W", "-f=${Version}", name]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout or "?"


def said_by(*command: str) -> str:
    """Return what a program says of its version in its first line."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except OSError:
        return "not installed"
    return (done.stdout + done.stderr).strip().splitlines()[0].partition(": ")[2] or done.stdout.strip()
