from hypothesis import given
from hypothesis import strategies as st

from deputize.authority.directory.objects import AgreementHistory, AgreementObject

WORDINGS = st.dictionaries(st.sampled_from(["en", "de", "fr"]), st.sampled_from(["one", "two", "three"]))


def agreement(wordings):
    languages = [{"locale": each, "title": "Terms", "text": text} for each, text in wordings.items()]
    return AgreementObject.model_validate({"name": "Terms", "languages": languages})


@given(st.lists(WORDINGS, max_size=8))
def test_the_version_rises_exactly_when_a_language_has_other_words_than_it_ever_had_last(applied):
    history, last, version = {}, {}, 1
    for wordings in applied:
        version += any(last.get(locale, text) != text for locale, text in wordings.items())
        last |= wordings
        history = agreement(wordings).next_history(history)
        assert AgreementHistory.model_validate(history).version == version


def test_everything_that_is_shown_counts_as_wording():
    shown = {"locale": "en", "title": "Terms", "text": "one", "content_type": "text/plain"}
    changes = ({}, {"title": "Other"}, {"text": "two"}, {"content_type": "text/html"})
    revisions = {
        AgreementObject.model_validate({"name": "Terms", "languages": [{**shown, **change}]})
        .languages[0]
        .revision
        for change in changes
    }
    assert len(revisions) == 4
