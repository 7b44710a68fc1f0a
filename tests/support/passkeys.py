"""An authenticator in software, which makes passkeys and signs with them as browsers hand it over."""

import hashlib
import json
import re
import struct
from dataclasses import dataclass, field
from html import unescape
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from fido2.cose import ES256

from deputize.jose import decode_base64url, encode_base64url

UP, UV, AT = 0x01, 0x04, 0x40


def encode(data: bytes) -> str:
    return encode_base64url(data).decode()


def shown_options(page: str, ceremony: str = "get") -> dict[str, Any]:
    """What a page asks the browser for."""
    found = re.search(rf'data-passkey="{ceremony}" data-options="([^"]*)"', page)
    assert found, f"the page asks for no passkey to {ceremony}"
    return json.loads(unescape(found[1]))


@dataclass
class Authenticator:
    """One passkey at most; everything that it says can be made a lie."""

    origin: str = "http://authority.test"
    rp_id: str = "authority.test"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = b"credential-of-32-bytes-or-so-now"
    user_handle: bytes = b""
    counter: int = 0
    step: int = 1
    flags: int = UP | UV
    extra: dict[str, Any] = field(default_factory=dict)
    """Members of the client data."""

    def create(self, options: dict[str, Any]) -> str:
        self.user_handle = decode_base64url(options["user"]["id"])
        public = ES256.from_cryptography_key(self.key.public_key())
        attested = bytes(16) + struct.pack(">H", len(self.credential_id)) + self.credential_id
        data = self._data(self.flags | AT) + attested + cbor.encode(public)
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options)
        return self._answer({"clientDataJSON": encode(client), "attestationObject": encode(attestation)})

    def get(self, options: dict[str, Any]) -> str:
        self.counter += self.step
        data, client = self._data(self.flags), self._client("webauthn.get", options)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        parts = {"clientDataJSON": client, "authenticatorData": data, "signature": signature}
        response = {name: encode(part) for name, part in parts.items()}
        return self._answer({**response, "userHandle": encode(self.user_handle)})

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.rp_id.encode()).digest() + struct.pack(">BI", flags, self.counter)

    def _client(self, kind: str, options: dict[str, Any]) -> bytes:
        said = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps({**said, **self.extra}).encode()

    def _answer(self, response: dict[str, str]) -> str:
        name = encode(self.credential_id)
        members = {"id": name, "rawId": name, "type": "public-key", "response": response}
        return json.dumps({**members, "clientExtensionResults": {}})
