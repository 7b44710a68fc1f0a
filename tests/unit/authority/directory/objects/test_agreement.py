from hypothesis import given
from hypothesis import strategies as st

from deputize.authority.directory.objects import AgreementHistory, AgreementObject
from deputize.authority.directory.objects.agreement import MAX_EARLIER

WORDINGS = st.dictionaries(st.sampled_from(["en", "de", "fr"]), st.sampled_from(["one", "two", "three"]))


def agreement(wordings):
    languages = [{"locale": each, "title": "Terms", "text": text} for each, text in wordings.items()]
    return AgreementObject.model_validate({"name": "Terms", "languages": languages})


@given(st.lists(WORDINGS, max_size=8))
def test_the_version_rises_exactly_when_a_language_has_other_words_and_those_before_are_kept(applied):
    history, last, version, before, earlier = {}, {}, 1, None, []
    for wordings in applied:
        shown = before.languages if before else ()
        earlier += [
            (version, each.locale, each.text) for each in shown if wordings.get(each.locale) != each.text
        ]
        version += any(last.get(locale, text) != text for locale, text in wordings.items())
        last |= wordings
        now = agreement(wordings)
        history, before = now.next_history(history, before), now
        found = AgreementHistory.model_validate(history)
        assert found.version == version
        assert [(each.version, each.locale, each.text) for each in found.earlier] == earlier[-MAX_EARLIER:]


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
