"""What upstream servers are told about the client."""

import ipaddress

import pytest

from deputize.gateway.exchange.forwarding import ClientDescription, keep_for_mcp
from support.gateway import exchange_for

SPOOFED = [
    ("Forwarded", "for=127.0.0.1;host=evil;proto=https"),
    ("X-Forwarded-For", "127.0.0.1"),
    ("x-forwarded-host", "evil.example"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Prefix", "/evil"),
    ("X_Forwarded_For", "127.0.0.1"),
    ("X-Real-IP", "127.0.0.1"),
    ("True-Client-IP", "127.0.0.1"),
    ("X-ForgeRock-TransactionId", "of-somebody-else"),
    *(
        (name, "127.0.0.1")
        for name in (
            "X-Forwarded",
            "Forwarded-For",
            "X-Forward-For",
            "X-Original-Forwarded-For",
            "X-ProxyUser-Ip",
        )
    ),
    *(
        (name, "127.0.0.1")
        for name in ("CF-Connecting-IPv6", "Fly-Client-IP", "X-Azure-ClientIP", "X-Envoy-External-Address")
    ),
    *(
        (name, "https")
        for name in ("X-Forwarded-Ssl", "Front-End-Https", "X-Scheme", "X-Url-Scheme", "X-Forwarded-Protocol")
    ),
    *(
        (name, "evil.example")
        for name in ("X-Host", "X-Original-Host", "X-HTTP-Host-Override", "X-Forwarded-Server")
    ),
    *(
        (name, "root")
        for name in (
            "Remote-User",
            "X-Remote-User",
            "X-Forwarded-User",
            "X-Auth-Request-User",
            "X-MS-CLIENT-PRINCIPAL-NAME",
        )
    ),
    *(
        (name, ":MIIB:")
        for name in ("Client-Cert", "X-SSL-Client-Cert", "SSL-Client-Verify", "X-Forwarded-Client-Cert")
    ),
]
OVERRIDES = [
    ("X-HTTP-Method-Override", "DELETE"),
    ("X-HTTP-Method", "DELETE"),
    ("X-Method-Override", "DELETE"),
    ("X_HTTP_Method_Override", "DELETE"),
    ("X-Original-URL", "/admin"),
    ("X-Rewrite-URL", "/admin"),
    ("X-Script-Name", "/admin"),
    ("Proxy", "http://evil.example"),
]
COMMON = [("Accept", "*/*"), ("Cookie", "session=1"), ("Via", "1.1 other")]
OWN = [
    ("X-Forwarded-For", "192.0.2.7"),
    ("X-Forwarded-Host", "client.example"),
    ("X-Forwarded-Proto", "http"),
]
VIA = ("Via", "1.1 deputize")


def described(headers, *trusted, **exchange):
    head = exchange_for(headers=headers, **exchange).received
    description = ClientDescription([ipaddress.ip_network(network) for network in trusted])
    return list(description.describe(head).headers)


@pytest.mark.parametrize("trusted", [(), ("198.51.100.0/24",), ("2001:db8::/32",)])
def test_what_a_client_says_of_itself_is_replaced(trusted):
    assert described([*COMMON, *SPOOFED, *OVERRIDES], *trusted) == [*COMMON, *OWN, VIA]


def test_a_trusted_proxy_is_believed_but_overrides_nothing():
    sent = [
        ("X-Forwarded-For", "203.0.113.9"),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "for=203.0.113.9"),
        ("X-Real-IP", "203.0.113.9"),
    ]
    assert described([*COMMON, *sent, *OVERRIDES], "192.0.2.0/24") == [
        *COMMON,
        *sent[1:],
        ("X-Forwarded-For", "203.0.113.9, 192.0.2.7"),
        ("X-Forwarded-Host", "client.example"),
        VIA,
    ]


def test_what_a_trusted_proxy_leaves_out_is_the_gateways_own():
    assert described(COMMON, "192.0.2.7") == [*COMMON, *OWN, VIA]


def test_several_chains_become_one():
    sent = [("X-Forwarded-For", "a"), ("X-Forwarded-For", "b, c")]
    assert ("X-Forwarded-For", "a, b, c, 192.0.2.7") in described(sent, "192.0.2.7/32")


def test_addresses_mapped_into_ipv6_are_those_of_ipv4():
    head = exchange_for(headers=[("X-Real-IP", "203.0.113.9")]).received
    head.peer = head.peer._replace(remote_address="::ffff:192.0.2.7")
    described = ClientDescription([ipaddress.ip_network("192.0.2.0/24")]).describe(head)
    assert described.headers.get("x-real-ip") == "203.0.113.9"


def test_https_and_ports_are_told():
    told = described([], origin="https://client.example:8443", secure=True)
    assert told == [
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Forwarded-Host", "client.example:8443"),
        ("X-Forwarded-Proto", "https"),
        VIA,
    ]


def test_an_mcp_server_gets_no_cookies_and_no_history():
    head = exchange_for(headers=[*COMMON, ("cookie", "b=2")]).received
    assert list(keep_for_mcp(ClientDescription().describe(head)).headers) == [COMMON[0], *OWN, VIA]
