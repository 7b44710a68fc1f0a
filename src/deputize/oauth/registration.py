"""Agents that introduce themselves: whom an environment admits, and what becomes of what they say."""

from deputize.oauth.records.settings import RegistrationSettings


def admits_host(settings: RegistrationSettings, host: str) -> bool:
    """Whether client ID metadata documents of `host` are taken.

    It is `host[:port]` in lower case, without the port 443.
    """
    return any(
        host.endswith(each[1:]) and host[0] not in "*." if each.startswith("*.") else host == each
        for each in settings.hosts
    )
