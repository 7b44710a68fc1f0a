"""How long a document counts, by the answer it came in."""

from email.utils import formatdate

import pytest

from deputize.authority.fetching.freshness import DEFAULT, LONGEST, SHORTEST, lifetime
from deputize.http.messages import Headers

NOW = 1_700_000_000


def date(instant):
    return formatdate(instant, usegmt=True)


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ([], DEFAULT),
        ([("Cache-Control", "public")], DEFAULT),
        ([("Cache-Control", "max-age=600")], 600),
        ([("Cache-Control", 'Public, MAX-AGE="600"')], 600),
        ([("Cache-Control", "max-age=600, s-maxage=120")], 120),
        ([("Cache-Control", "max-age=600"), ("Age", "100")], 500),
        ([("Cache-Control", "max-age=600"), ("Age", "9999")], SHORTEST),
        ([("Cache-Control", "max-age=600"), ("Age", "-9999")], SHORTEST),
        ([("Cache-Control", "max-age=600"), ("Expires", date(NOW + 5000))], 600),
        ([("Cache-Control", "max-age=0")], SHORTEST),
        ([("Cache-Control", "max-age=-5")], DEFAULT),
        ([("Cache-Control", "max-age=9999999999")], LONGEST),
        ([("Cache-Control", "max-age=600"), ("Cache-Control", "no-store")], SHORTEST),
        ([("Cache-Control", "no-cache, max-age=600")], SHORTEST),
        ([("Cache-Control", "private, max-age=600")], SHORTEST),
        ([("Expires", date(NOW + 700))], 700),
        ([("Expires", date(NOW + 700)), ("Date", date(NOW + 100))], 600),
        ([("Expires", date(NOW + 700)), ("Date", "yesterday")], 700),
        ([("Expires", "0")], SHORTEST),
        ([("Expires", date(NOW - 700))], SHORTEST),
    ],
)
def test_freshness_follows_the_answer_within_bounds(fields, seconds):
    headers = Headers((name.encode(), value.encode()) for name, value in fields)
    assert lifetime(headers, NOW) == seconds
