"""A plan outlives nothing that it was made from.

A gateway that remembers plans is compared with a simple model: reload, expiry of a token, cache time,
revocation, tokens pushed out of the cache, rotation of the secrets of sessions.
"""

import asyncio
import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from support.examples import examples
from support.mcp_messages import legacy_call
from support.twin_gateways import MemoryLoop, twin_gateways

CACHE_SECONDS = 30
SESSION_SECONDS = 10
CLIENT = ("192.0.2.1", 5001, False)
BODY = json.dumps(legacy_call(method="tools/list", params={})).encode()
HEAP = [
    {"name": "AuditService", "type": "MemoryAudit"},
    {
        "name": "cache",
        "type": "NotedCache",
        "config": {
            "delegate": {"type": "Tokens"},
            "maximumTimeToCache": f"{CACHE_SECONDS} seconds",
            "maximumSize": 2,
        },
    },
    {"name": "store", "type": "RotatingStore"},
]


def routes(marker):
    filters = [
        {
            "type": "OAuth2ResourceServerFilter",
            "config": {
                "requireHttps": False,
                "scopes": ["read"],
                "accessTokenResolver": "cache",
                "sessionSecretId": ["first", "second"],
                "secretsProvider": "store",
            },
        }
    ]
    answer = {
        "type": "StaticResponseHandler",
        "config": {
            "status": 200,
            "headers": {
                "X-Marker": [marker],
                "Mcp-Session-Id": ["server"],
                "X-Said": ["${contexts.oauth2.accessToken.info.said}"],
            },
        },
    }
    chain = {"type": "Chain", "config": {"filters": filters, "handler": answer}}
    return {"all": {"handler": chain}}


WEIGHTS = {
    "ask": 8,
    "go on": 8,
    "pass": 3,
    "revoke": 1,
    "revoke unheard": 1,
    "renew": 1,
    "reload": 1,
    "rotate": 2,
}


def draw_events(draw, count):
    """Events with what they are about: mostly calls, most of them with one token."""
    for event in draw.choices([*WEIGHTS], [*WEIGHTS.values()], k=count):
        about = draw.choice("aaaabc")
        if event == "pass":
            yield event, draw.choice([1, 5, 9, 10, 29, 30])
        elif event == "renew":
            yield event, (about, draw.choice([3, 15, 60, None]))
        else:
            yield event, "a" if event == "go on" else about


class Model:
    """What is true of each token since when, and which secrets seal sessions since when."""

    def __init__(self, twins):
        self.twins = twins
        self.marker = 0
        self.changes = 0
        self.truths = {}
        self.rotated = []
        self.session = None
        for name in "abc":
            self.state(name)

    @property
    def now(self):
        return self.twins.clock.time

    def state(self, name, lasts=None, *, is_active=True):
        """From now on the authority says this about a token."""
        self.changes += 1
        ends = {} if lasts is None else {"exp": self.now + lasts}
        claims = {"scope": "read", "said": str(self.changes), "sub": name, **ends} if is_active else None
        self.twins.known[name] = claims
        self.truths.setdefault(name, []).append((self.now, claims))

    def answers(self, name):
        """What may be said of a token now: what was true within the cache time; `None`: refused."""
        truths = self.truths[name]
        until = [*(since for since, _ in truths[1:]), self.now]
        return {
            claims["said"] if claims and claims.get("exp", self.now + 1) > self.now else None
            for (_, claims), ends in zip(truths, until, strict=True)
            if ends + CACHE_SECONDS > self.now
        }

    def rotate(self):
        """Two secrets are in force: the one before the last is forgotten."""
        self.rotated.append(self.now)
        for twin in self.twins.both:
            twin.secrets = {"first": b"%032d" % len(self.rotated), "second": twin.secrets["first"]}

    def knows_session(self):
        """Whether the session must be known; `None` where it may."""
        forgotten = self.rotated[self.session[1] + 1 :]
        if not forgotten:
            return True
        return False if forgotten[0] + SESSION_SECONDS <= self.now else None


async def follow(events):
    async with twin_gateways(routes("0"), {}, heap=HEAP, plans=100) as twins:
        model = Model(twins)
        for event, value in events:
            if event == "pass":
                twins.pass_time(value)
            elif event == "revoke":
                model.state(value, is_active=False)
                await twins.revoke(value)
                del model.truths[value][:-1]
            elif event == "revoke unheard":
                model.state(value, is_active=False)
            elif event == "renew":
                model.state(*value)
            elif event == "reload":
                model.marker += 1
                twins.write_routes(routes(str(model.marker)))
                await twins.each(lambda twin: [each.scan() for each in twin.instance.registry.route_sets])
            elif event == "rotate":
                model.rotate()
            else:
                await check(model, value, goes_on=event == "go on" and model.session is not None)


async def check(model, name, *, goes_on):
    fields = b"Mcp-Session-Id: %b\r\n" % model.session[0] if goes_on else b""
    head = (
        b"POST /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %b\r\nMCP-Protocol-Version: 2025-11-25\r\n"
        b"Content-Length: %d\r\n%b\r\n" % (name.encode(), len(BODY), fields)
    )
    outcomes = await model.twins.each(lambda twin: twin.connection(CLIENT)[0].data_received(head + BODY))
    status, _, rest = outcomes[1][0][CLIENT][0].partition(b"\r\n")
    found = dict(line.split(b": ", 1) for line in rest.split(b"\r\n\r\n")[0].split(b"\r\n"))
    may_say = model.answers(name)
    if b" 404 " in status:
        assert goes_on
        assert not model.knows_session()
        assert may_say != {None}
        model.session = None
    elif b" 200 " in status:
        assert found[b"X-Said"].decode() in may_say
        assert found[b"X-Marker"].decode() == str(model.marker)
        assert not goes_on or model.knows_session() is not False
        if model.session is None and name == "a":
            model.session = found[b"Mcp-Session-Id"], len(model.rotated)
    else:
        assert b" 401 " in status
        assert None in may_say


@settings(max_examples=examples(100))
@given(st.integers(min_value=0, max_value=1 << 32))
def test_a_plan_ends_with_what_it_was_made_from(seed):
    with asyncio.Runner(loop_factory=MemoryLoop) as runner:
        runner.run(follow(draw_events(random.Random(seed), 80)))
