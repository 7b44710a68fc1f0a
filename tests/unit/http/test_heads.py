import pytest

from deputize.http.heads import CHUNKED, chunk, has_no_body, request_head, response_head
from deputize.http.messages import Body, HeaderError, Headers, Request, Response
from deputize.kernel.uris import Target

DATE = b"Date: Mon, 23 Nov 2026 20:28:00 GMT"


def lines_of(response, method="GET", framing=b"Content-Length: 0", close=False):
    return response_head(method, response, DATE, framing, close=close).split(b"\r\n")


def test_a_response():
    response = Response(
        404,
        Headers(
            [(b"X", b"1"), (b"Content-Length", b"9"), (b"Connection", b"x"), (b"transfer-encoding", b"gzip")]
        ),
    )
    assert lines_of(response, close=True) == [
        b"HTTP/1.1 404 Not Found",
        b"X: 1",
        DATE,
        b"Content-Length: 0",
        b"Connection: close",
        b"",
        b"",
    ]


def test_the_date_of_the_upstream_stays():
    assert lines_of(Response(200, Headers([(b"date", b"yesterday")])))[1:3] == [
        b"date: yesterday",
        b"Content-Length: 0",
    ]


@pytest.mark.parametrize(
    ("status", "reason", "line"),
    [(299, None, b"HTTP/1.1 299 "), (200, "Fine", b"HTTP/1.1 200 Fine"), (503, "", b"HTTP/1.1 503 ")],
)
def test_reason_phrases(status, reason, line):
    assert lines_of(Response(status, reason=reason))[0] == line


@pytest.mark.parametrize(
    "response", [Response(100), Response(600), Response(0), Response(200, reason="a\r\nX: y")]
)
def test_what_is_not_the_head_of_a_final_response(response):
    with pytest.raises(HeaderError):
        lines_of(response)


@pytest.mark.parametrize(
    ("method", "status", "fields", "body", "expected"),
    [
        ("HEAD", 200, [], Body(b"abc"), b"Content-Length: 3"),
        ("HEAD", 200, [(b"Content-Length", b"7")], Body(), b"Content-Length: 7"),
        ("HEAD", 200, [(b"Content-Length", b"x")], Body(), None),
        ("GET", 304, [(b"Content-Length", b"7")], Body(), b"Content-Length: 7"),
        ("GET", 304, [], Body(), None),
        ("GET", 204, [(b"Content-Length", b"7")], Body(b"abc"), None),
    ],
)
def test_the_length_of_what_is_not_sent(method, status, fields, body, expected):
    lines = lines_of(Response(status, Headers(fields), body), method, CHUNKED)
    assert [line for line in lines if line.lower().startswith((b"content-length", b"transfer-"))] == (
        [expected] if expected else []
    )


def test_which_answers_have_no_body():
    assert has_no_body("HEAD", 200)
    assert has_no_body("GET", 204)
    assert has_no_body("GET", 304)
    assert not has_no_body("GET", 200)


def test_a_request():
    body = Body(None, None, None)
    request = Request(
        "POST",
        Target("/a%20b", "c=d"),
        Headers([(b"host", b"other"), (b"X", b"1"), (b"Expect", b"100-continue")]),
        body,
    )
    assert request_head(request, "upstream:8080").split(b"\r\n") == [
        b"POST /a%20b?c=d HTTP/1.1",
        b"Host: upstream:8080",
        b"X: 1",
        b"Transfer-Encoding: chunked",
        b"",
        b"",
    ]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GE T", "/"),
        ("", "/"),
        ("GET\r\n", "/"),
        ("GET", ""),
        ("GET", "x"),
        ("GET", "/ x"),
        ("GET", "/é"),
        ("GET", "/\n"),
    ],
)
def test_what_cannot_stand_in_a_request_line(method, path):
    with pytest.raises(HeaderError):
        request_head(Request(method, Target(path, None), Headers()), "a")


def test_a_chunk():
    assert chunk(b"x" * 17) == b"11\r\n" + b"x" * 17 + b"\r\n"
