import pytest

from deputize.oauth.records.settings import RegistrationSettings
from deputize.oauth.registration import admits_host

SETTINGS = RegistrationSettings(hosts=("claude.ai", "*.example.com", "localhost:8443"))


@pytest.mark.parametrize("host", ["claude.ai", "app.example.com", "a.b.example.com", "localhost:8443"])
def test_hosts_are_admitted_as_written_and_below_a_star(host):
    assert admits_host(SETTINGS, host)


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        ".example.com",
        "evilexample.com",
        "claude.ai.evil.com",
        "evil.claude.ai",
        "claude.ai:8443",
        "app.example.com:8443",
        "localhost",
        "*.example.com",
        "",
    ],
)
def test_other_hosts_are_not(host):
    assert not admits_host(SETTINGS, host)
