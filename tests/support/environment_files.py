"""Environment files that hypothesis draws, with texts in them that are hard to write down."""

from hypothesis import strategies as st

TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff"))
LINES = st.lists(TEXTS, min_size=1, max_size=4).map("\n".join)
TRICKY = st.sampled_from(
    [
        "yes",
        "null",
        "~",
        "1",
        "-1.5",
        "09",
        "1e5",
        "a: b",
        "a #b",
        "- a",
        "&{x}",
        "\\\\&{x",
        " a",
        "a ",
        "|",
        "a\n\n",
        "\n",
        "\ta",
        "a\tb\nc",
        "a\n b",
        " a\nb",
        "&{a|&{b}}",
        "\x85",
        "\u2028",
        "\ufeff",
        "2026-01-01",
        "=",
        "!a",
        "*a",
    ]
)
WORDS = st.one_of(TRICKY, TEXTS, LINES)
NUMBERS = st.one_of(
    st.integers(-(10**15) + 1, 10**15 - 1),
    st.floats(-1e14, 1e14, allow_nan=False),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, WORDS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(TRICKY, TEXTS), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.text("abcdefghijklm \u00e4:#'\"&{}\\", min_size=1, max_size=8).filter(
    lambda name: name == name.strip()
)
"""What may be shown to people: a blank at an end is refused."""


def entries(name, **members):
    unique = st.lists(
        st.fixed_dictionaries({name: NAMES}, optional=members), max_size=3, unique_by=lambda each: each[name]
    )
    return unique.map(list)


@st.composite
def files(draw):
    resources = draw(
        entries(
            "name",
            description=WORDS.filter(lambda text: len(text) < 2000),
            token_lifetime=st.integers(60, 9999),
            impersonation_allowed=st.booleans(),
            scopes=st.lists(st.sampled_from(["a", "b", "c"]), unique=True).map(
                lambda names: [{"name": name, "consent": "on_use"} for name in names]
            ),
        )
    )
    for at, each in enumerate(resources):
        each["audience"] = f"https://{at}.example.com/"
    languages = [{"locale": "en", "title": "T", "text": draw(WORDS.filter(bool))}]
    agreements = [
        {**each, "languages": languages} for each in draw(entries("name", description=st.just("d")))
    ]
    policies = [
        {"name": f"P{at}", "steps": [{"login": {}}, {"agreement_prompt": {"agreement": each["name"]}}]}
        for at, each in enumerate(agreements)
    ]
    granted = {each["name"]: [scope["name"] for scope in each.get("scopes", [])] for each in resources}
    agents = draw(
        entries(
            "name",
            owner=WORDS.filter(lambda text: len(text) < 2000),
            enabled=st.booleans(),
            expires_at=st.sampled_from(["2030-01-01T00:00:00Z", "2030-01-01T00:00:00.125+02:00"]),
            grants=st.permutations(["refresh_token", "token_exchange"]),
            redirect_uris=st.just(["https://app.example.com/"]),
            scopes=st.just(granted),
            policies=st.just([each["name"] for each in policies]),
        )
    )
    users = [
        {"username": f"user{at}", **each}
        for at, each in enumerate(
            draw(
                st.lists(
                    st.fixed_dictionaries(
                        {},
                        optional={
                            "enabled": st.booleans(),
                            "given_name": NAMES,
                            "attributes": st.dictionaries(TEXTS, VALUES, max_size=2),
                        },
                    ),
                    max_size=2,
                )
            )
        )
    ]
    return {
        "environment": draw(NAMES),
        "session_lifetime": draw(st.integers(60, 9999)),
        "resources": resources,
        "agreements": agreements,
        "policies": policies,
        "agents": agents,
        "users": users,
    }
