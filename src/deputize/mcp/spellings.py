"""One spelling for all that a lax server may take for the same name, to find names that pass for another."""

import ipaddress
import re
import unicodedata
from typing import Final
from urllib.parse import unquote

_ROUNDS: Final = 4
_SLASHES: Final = re.compile(r"/+")
_LEADS_UP: Final = re.compile(r"(?:^|/)\.{1,2}(?:[/?#;]|$)")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_WEB: Final = r"(?:https?|wss?|ftp)"
"""Schemes whose URIs parsers of the web normalise further (URL Standard, section 3.1)."""
_WITHOUT_SLASH: Final = re.compile(rf"^({_WEB}|file):(?!/)")
_LOCAL_FILE: Final = re.compile(r"^file:/localhost(?=/|$)")
_USUAL_PORT: Final = re.compile(rf"^({_WEB}:/[^/?#]*?):0*(?:80|443|21)?(?=[/?#]|$)")
_NO_PORT: Final = re.compile(r"^([a-z][a-z0-9+.-]*:/[^/?#]*?):(?=[/?#]|$)")
_NO_USER: Final = re.compile(r"^([a-z][a-z0-9+.-]*:/):?@")
_DOT: Final = "\u3002"
"""Another dot between the labels of a host (Unicode Technical Standard 46)."""
_WEB_HOST: Final = re.compile(rf"^{_WEB}:/([^/?#]*@)?(\[[^\]]*\]|[^/?#:]*)")
_WITHOUT_PATH: Final = re.compile(rf"^({_WEB}:/[^/?#]*)(?=[?#]|$)")
_ENDS_IN_NUMBER: Final = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$")


def fold_name(name: str) -> str:
    """Return `name` without case, compatibility forms, invisible characters and blanks around it."""
    name = name.strip()
    if not name.isascii():
        visible = "".join(each for each in name if unicodedata.category(each) != "Cf")
        name = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())
    return name.casefold()


def fold_uri(uri: str, *, is_whole: bool = True) -> str | None:
    """Return `uri` folded as a name, decoded, and with what parsers of URIs make of its slashes and its host.

    `None` where readers differ beyond that: it leads up, holds control characters, names a user of the web or
    a host by a number in an odd way, or its percent signs have no end. What is not whole is a part of one.
    """
    for _ in range(_ROUNDS):
        decoded = unquote(fold_name(uri) if is_whole else fold_name(f"|{uri}|")[1:-1])
        if decoded == uri:
            break
        uri = decoded
    else:
        return None
    uri = _SLASHES.sub("/", uri.replace("\\", "/").replace(_DOT, "."))
    uri = _NO_USER.sub(r"\1", _WITHOUT_SLASH.sub(r"\1:/", uri))
    if _CONTROL.search(uri) or _LEADS_UP.search(uri):
        return None
    uri = _LOCAL_FILE.sub("file:", uri)
    uri = _NO_PORT.sub(r"\1", _USUAL_PORT.sub(r"\1", uri))
    if not is_whole:
        return uri
    host = _WEB_HOST.match(uri)
    if host is not None and (host[1] or not _is_plain(host[2])):
        return None
    return _WITHOUT_PATH.sub(r"\1/", uri)


def _is_plain(host: str) -> bool:
    """Whether a host is written in the one way in which an address is written, or is a name."""
    is_number = _ENDS_IN_NUMBER.search(host) is not None
    if not is_number and not host.startswith("["):
        return True
    try:
        return str(ipaddress.ip_address(host.strip("[]"))) == host.strip("[]")
    except ValueError:
        return False
