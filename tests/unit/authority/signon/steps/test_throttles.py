import pytest

from deputize.authority.signon.attempts import KNOWN_BROWSER, NAME, NETWORK, network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("unknown", ""),
        (None, ""),
    ],
)
def test_what_counts_as_one_network(address, network):
    assert network_of(address) == network


def test_how_long_one_waits():
    assert [NETWORK.wait(failures) for failures in (5, 6, 7)] == [0, 900, 900]
    assert [KNOWN_BROWSER.wait(failures) for failures in (5, 6)] == [0, 900]
    assert [NAME.wait(failures) for failures in (29, 30, 31, 38, 39, 10**6)] == [0, 1, 2, 256, 300, 300]
