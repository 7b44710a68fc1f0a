"""Finds records by the correlation ID that an error page or an answer shows."""

import re
from dataclasses import replace
from typing import Final

from deputize.authority.console.call import ConsoleCall
from deputize.authority.storage.activities import Activity, ActivityQuery

_SHOWN: Final = re.compile(r"(?:.*[\s:(])?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\W*", re.IGNORECASE)
"""An id alone, or with the words around it that were copied too, as in `(Correlation ID: …)`."""


def read_correlation_id(typed: str) -> str:
    """Return the id in what was typed, without the words around it; what is none of ours as it is."""
    found = _SHOWN.fullmatch(typed.strip())
    return found[1].lower() if found else typed.strip()


async def find_record(call: ConsoleCall, typed: str) -> Activity | None:
    """Find the record with this id, or the last one with this correlation ID, a refusal before all others."""
    activities, where = call.services.activities, call.environment.id
    if found := await activities.find_one(where, typed):
        return found
    anything = ActivityQuery(transaction_id=read_correlation_id(typed), limit=1)
    for query in (replace(anything, outcome="refused"), anything):
        if items := (await activities.find(where, query)).items:
            return items[0]
    return None
