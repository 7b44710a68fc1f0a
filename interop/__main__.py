"""`make interop`, or families by name: `python -m interop inspector`."""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from demo.programs import ProgramFailed
from demo.stage import prepare
from rich.console import Console
from rich.table import Table

from interop.families import FAMILIES
from interop.install import NotRun
from interop.page import MARKS, RESULTS, write_page
from interop.row import Family, Row, RowFailed
from interop.setting import Setting, open_setting

TABLE_COLUMNS = 160
IDENTITY = ("family", "program", "task")
"""What tells a row from others."""


def main() -> int:
    """Try the rows, print one table, and return 0 if none failed."""
    names = {family.name: family for family in FAMILIES}
    parser = argparse.ArgumentParser(prog="interop", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(names)} (all)")
    parser.add_argument("--quick", action="store_true", help="only the rows that a change has to pass")
    parser.add_argument("--keep", action="store_true", help="leave the folder with logs, records and outputs")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(names):
        parser.error(f"there is no family {', '.join(sorted(unknown))}")
    # As Ctrl-C does: the programs must not outlive the run.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="deputize-interop-"))
    families = [names[name] for name in arguments.names] or FAMILIES
    try:
        with open_setting(prepare(folder / "stage")) as setting:
            found = list(try_all(setting, families, quick=arguments.quick))
    finally:
        if arguments.keep:
            print(f"Everything that was written is in {folder}.")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    _print_table(found)
    print(f"\nAll took {(time.monotonic() - began) / 60:.1f} minutes.")
    if not arguments.quick:
        before = json.loads(RESULTS.read_text("utf-8"))["rows"] if RESULTS.exists() else []
        RESULTS.write_text(json.dumps(document(before, found), indent=1, ensure_ascii=False) + "\n", "utf-8")
        write_page()
    return exit_code(found)


def document(before: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the results file holds after a run: what was found, and what there was of other rows."""
    known = {tuple(each[name] for name in IDENTITY): each for each in (*before, *found)}
    rows = [(family.title, row.name, row.task) for family in FAMILIES for row in family.rows]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {name: version for family in FAMILIES for name, version in family.versions().items()},
        "rows": [known[identity] for identity in rows if identity in known],
    }


def exit_code(found: Sequence[Mapping[str, Any]]) -> int:
    """Return 1 if a row failed; one that was not run is no failure."""
    return 1 if any(each["outcome"] == "failed" for each in found) else 0


def try_all(setting: Setting, families: Sequence[Family], *, quick: bool) -> Iterator[dict[str, Any]]:
    """Try the rows one after the other, and yield what came of each."""
    for family in families:
        for row in family.rows:
            if row.quick or not quick:
                began = time.monotonic()
                outcome, seen = _try(setting, row)
                print(
                    f"{MARKS[outcome]} {row.name}: {row.task} ({time.monotonic() - began:.0f} s)", flush=True
                )
                names = {"family": family.title, "program": row.name, "task": row.task}
                yield names | {"outcome": outcome, "seen": seen}


def _try(setting: Setting, row: Row) -> tuple[str, str]:
    try:
        return "passed", row.run(setting)
    except NotRun as reason:
        return "not run", str(reason)
    except (RowFailed, ProgramFailed) as failure:
        return "failed", str(failure)
    except Exception as error:  # noqa: BLE001 - one program's surprise must not end the others
        traceback.print_exc()
        return "failed", f"{type(error).__name__}: {error}"


def _print_table(found: Sequence[dict[str, Any]]) -> None:
    table = Table("", "Program", "Does", "Seen")
    for each in found:
        table.add_row(MARKS[each["outcome"]], each["program"], each["task"], each["seen"])
    console = Console(highlight=False, markup=False)
    Console(width=max(console.width, TABLE_COLUMNS), highlight=False, markup=False).print(table)


if __name__ == "__main__":
    sys.exit(main())
