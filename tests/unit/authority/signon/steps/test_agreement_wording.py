from hypothesis import given
from hypothesis import strategies as st

from deputize.authority.signon.steps.agreement_prompt import to_safe_html
from deputize.oauth.records.directory import AgreementText


def shown(text, content_type="text/html"):
    return str(to_safe_html(AgreementText("en", "Title", content_type, text, "1")))


def test_the_allowed_elements_stay():
    html = "<h2>One</h2><p>two <b>three</b> <em>four</em><br>five</p>"
    assert shown(html) == html


def test_links_cannot_reach_back_to_the_page():
    assert shown('<a href="https://example.com/t" target="_blank">terms</a>') == (
        '<a href="https://example.com/t" target="_blank" rel="noopener noreferrer">terms</a>'
    )


def test_everything_else_goes():
    html = (
        '<p onclick="x()" style="color:red">a</p><script>b()</script><img src=x><form '
        'action=y><input></form><a href="javascript:z()">c</a>'
    )
    assert shown(html) == '<p>a</p><a rel="noopener noreferrer">c</a>'


def test_plain_text_is_text():
    assert shown("a < b\n<b>c</b>", "text/plain") == '<p class="plain">a &lt; b\n&lt;b&gt;c&lt;/b&gt;</p>'


@given(st.text(alphabet="<>/='\" abcdefiknoprst:javscl&;#x1\n", max_size=200))
def test_no_text_brings_in_an_element_or_handler(text):
    for content_type in ("text/html", "text/plain"):
        result = shown(text, content_type).lower()
        assert "<script" not in result
        assert "<form" not in result
        assert 'href="javascript' not in result
