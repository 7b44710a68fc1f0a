from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.authority.signon.step import Done

FITTING = st.from_regex(r"[A-Za-z0-9_-]{1,128}", fullmatch=True)


@given(st.text(max_size=200) | FITTING)
def test_a_note_is_refused_unless_it_stays_one_part_of_the_flow_s_address(note):
    fits = quote(note, safe="") == note and not {".", "~"} & set(note) and len(note) <= 128
    if fits:
        assert Done(note=note).note == note
    else:
        with pytest.raises(ValueError, match="does not match"):
            Done(note=note)
