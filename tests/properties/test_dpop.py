"""A proof that was changed in any way is not taken, nor one for any other request."""

import json
from base64 import urlsafe_b64decode
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.oauth.dpop import ProofVerifier
from deputize.oauth.errors import InvalidDPoPProof
from support.examples import examples
from support.proofs import Prover, text_of

NOW = 1_774_039_729.0
URI = "https://ig.example.com:8443/mcp"
TOKEN = "the.access.token"
PROVERS = [Prover(algorithm) for algorithm in ("ES256", "RS256", "Ed25519")]
PROOFS = [each.prove("POST", URI, NOW, TOKEN, nonce="a nonce") for each in PROVERS]
_ALPHABET = "".join(chr(code) for code in range(0x20, 0x7F))


def passes(text, verifier, method="POST", uri=URI, now=NOW, token=TOKEN):
    with suppress(InvalidDPoPProof):
        return verifier.verify(text, method, uri, now, token)
    return None


@st.composite
def mutated(draw):
    """Draw a proof and what came of it by one change of its text."""
    proof = draw(st.sampled_from(PROOFS))
    at = draw(st.integers(0, len(proof) - 1))
    change = draw(st.sampled_from(["replace", "insert", "delete", "swap", "cut"]))
    character = draw(st.sampled_from(_ALPHABET))
    if change == "replace":
        return proof, proof[:at] + character + proof[at + 1 :]
    if change == "insert":
        return proof, proof[:at] + character + proof[at:]
    if change == "delete":
        return proof, proof[:at] + proof[at + 1 :]
    if change == "swap":
        return proof, proof[:at] + proof[at:][::-1]
    return proof, proof[:at]


@settings(max_examples=examples(1500), deadline=None)
@given(mutated(), st.booleans())
def test_a_changed_proof_is_never_taken(pair, is_known):
    proof, changed = pair
    verifier = ProofVerifier()
    if is_known:
        assert passes(proof, verifier)
    assert changed == proof or passes(changed, verifier) is None


_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.lists(st.integers(), max_size=2)
)


@settings(max_examples=examples(600), deadline=None)
@given(
    st.integers(0, len(PROOFS) - 1),
    st.sampled_from(["header", "claims"]),
    st.sampled_from(["typ", "alg", "jwk", "jti", "htm", "htu", "iat", "ath", "nonce"]),
    _VALUES,
)
def test_a_member_changed_under_the_old_signature_is_never_taken(index, part, name, value):
    parts = PROOFS[index].split(".")
    at = 0 if part == "header" else 1
    members = json.loads(urlsafe_b64decode(parts[at] + "=="))
    if name in members and members[name] == value:
        return
    members[name] = value
    parts[at] = text_of(json.dumps(members).encode())
    verifier = ProofVerifier()
    passes(PROOFS[index], verifier)
    assert passes(".".join(parts), verifier) is None


@settings(max_examples=examples(600), deadline=None)
@given(st.permutations(range(3)), st.integers(0, 2))
def test_parts_of_two_proofs_make_no_third(order, part):
    one, other = PROOFS[order[0]].split("."), PROOFS[order[1]].split(".")
    mixed = [*one]
    mixed[part] = other[part]
    assert mixed == one or passes(".".join(mixed), ProofVerifier()) is None


@settings(max_examples=examples(600), deadline=None)
@given(
    st.sampled_from(["GET", "POST", "DELETE", "post", "PUT"]),
    st.sampled_from([URI, URI + "/x", "https://ig.example.com/mcp", "http://ig.example.com:8443/mcp"]),
    st.floats(-1000, 1000),
    st.sampled_from([TOKEN, "another.token"]),
)
def test_a_proof_is_of_one_request_at_one_time(method, uri, later, token):
    is_its_own = method == "POST" and uri == URI and token == TOKEN and -60 <= later < 120
    taken = passes(PROOFS[0], ProofVerifier(), method, uri, NOW + later, token) is not None
    assert taken == is_its_own
