"""`Headers` against the plain list of fields that it stands for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from deputize.http.messages import HeaderError, Headers

NAMES = st.one_of(
    st.sampled_from(["X-A", "x-a", "X_a", "x_A", "X-B", "Via", "via", "Cookie", "X-A-B", "X_A-B", "x-a_b"]),
    st.lists(st.sampled_from(["-", "_"]), min_size=4, max_size=9).map(lambda marks: "a" + "a".join(marks)),
    st.text("abAB-_", min_size=1, max_size=3),
)
VALUES = st.sampled_from(["", "1", "2", "a b", "é"])
FIELDS = st.lists(
    st.tuples(NAMES.map(str.encode), VALUES.map(lambda value: value.encode("latin-1"))), max_size=8
)


def plain(name):
    return name.lower().replace("_", "-").encode()


class AgainstPairs(RuleBasedStateMachine):
    """Every operation, in any order, on `Headers` and on a list of pairs that is searched as a whole."""

    headers: Headers
    pairs: list[tuple[bytes, bytes]]

    @initialize(fields=FIELDS)
    def begin(self, fields):
        self.headers, self.pairs = Headers(iter(fields)), list(fields)

    @rule(name=NAMES, value=VALUES)
    def add(self, name, value):
        self.headers.add(name, value)
        self.pairs.append((name.encode(), value.encode("latin-1")))

    @rule(fields=FIELDS)
    def extend(self, fields):
        self.headers.extend(fields)
        self.pairs += fields

    @rule(names=st.lists(NAMES, max_size=3))
    def remove(self, names):
        self.headers.remove(*names)
        self.without(names)

    @rule(name=NAMES, value=VALUES)
    def set(self, name, value):
        self.headers.set(name, value)
        self.without([name])
        self.pairs.append((name.encode(), value.encode("latin-1")))

    @rule(names=st.sets(NAMES.map(lambda name: name.lower().encode()), max_size=3))
    def drop(self, names):
        self.headers.drop(names)
        self.pairs = [pair for pair in self.pairs if pair[0].lower() not in names]

    @rule(name=NAMES, value=st.sampled_from(["a\r\nb", "\0", " a", "€"]))
    def fail_to_change(self, name, value):
        for change in (self.headers.add, self.headers.set):
            with pytest.raises(HeaderError):
                change(name, value)

    @rule(name=NAMES)
    def go_on_with_a_copy(self, name):
        original, self.headers = self.headers, self.headers.copy()
        original.set(name, "of the original only")

    @rule(names=st.sets(NAMES.map(lambda name: name.lower().encode()), max_size=3))
    def select(self, names):
        chosen = [pair for pair in self.pairs if pair[0].lower() in names]
        assert self.headers.select(names) == chosen
        others = [pair for pair in self.pairs if pair[0].lower() not in names]
        assert self.headers.lines(names) == [b": ".join(pair) for pair in others]

    @rule(name=NAMES)
    def ask(self, name):
        self.agrees_on(name)

    @invariant()
    def agrees(self):
        assert self.headers.raw == tuple(self.pairs)
        assert self.headers.names == tuple(name.lower() for name, _ in self.pairs)
        assert list(self.headers) == [(name.decode(), value.decode("latin-1")) for name, value in self.pairs]
        for name in {name.decode().swapcase() for name, _ in self.pairs}:
            self.agrees_on(name)

    def agrees_on(self, name):
        wanted = name.lower().encode()
        values = [value.decode("latin-1") for key, value in self.pairs if key.lower() == wanted]
        assert self.headers.get_all(name) == values
        assert self.headers.get(name) == (values[0] if values else None)
        assert (name in self.headers) is bool(values)

    def without(self, names):
        unwanted = {plain(name) for name in names}
        self.pairs = [pair for pair in self.pairs if plain(pair[0].decode()) not in unwanted]


def test_any_sequence_of_operations_gives_what_a_list_of_pairs_gives():
    run_state_machine_as_test(AgainstPairs)


@given(FIELDS, NAMES)
def test_what_was_removed_is_found_under_no_name_that_servers_take_for_it(fields, name):
    headers = Headers(fields)
    headers.remove(name)
    assert not [key for key, _ in headers if plain(key) == plain(name)]
    assert headers.select({key.lower() for key, _ in fields if plain(key.decode()) == plain(name)}) == []
