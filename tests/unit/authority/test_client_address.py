from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.authority.audit import Source
from deputize.authority.callers import client_address, source_reader
from deputize.http.exchange import Exchange, Readings, Varying
from support.authority import head_of

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["6.6.6.6", "203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("203.0.113.9", ["6.6.6.6"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7:4711"], "203.0.113.7"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["203.0.113.7, nonsense, 10.0.0.2"], "10.0.0.2"),
    ],
)
def test_the_last_address_that_no_trusted_proxy_has(peer, forwarded, client):
    assert client_address(peer, forwarded, TRUSTED) == client


@given(st.lists(st.text(max_size=20) | st.ip_addresses().map(str), max_size=5))
def test_a_client_cannot_choose_its_address(claimed):
    seen = "203.0.113.7"
    assert client_address("10.0.0.1", [*claimed, seen], TRUSTED) == seen
    assert client_address(seen, claimed, TRUSTED) == seen


def test_looking_for_a_transaction_leaves_the_plan_to_every_call():
    for name, spelled in ((b"X-ForgeRock-TransactionId", "one"), (b"x-forgerock-transactionid", "two")):
        readings = Readings()
        value = Varying(spelled.encode())
        value.at, value.readings = 0, readings
        head = head_of("POST", [(name, value)])
        read = source_reader(head, ())
        exchange = Exchange(head, head.peer, "id", 0.0, 0.0, values=[b"of-this-call"])
        assert read(exchange).caller_transaction_id == "of-this-call"
        assert not readings.of_call
    head = head_of("POST")
    exchange = Exchange(head, head.peer, "id", 0.0, 0.0)
    assert source_reader(head, ())(exchange) == Source("127.0.0.1", 1, "id", None)
