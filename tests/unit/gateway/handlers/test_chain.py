from deputize.gateway.handlers.chain import Chain
from deputize.http.exchange import Exchange, Peer
from deputize.http.messages import Headers, Request, Response
from deputize.kernel.uris import Target
from support.gateway import ask


async def test_filters_run_outermost_first_and_see_the_answer_last():
    seen = []

    class Note:
        def __init__(self, name):
            self.name = name

        async def filter(self, exchange, next):
            seen.append(f"{self.name} in")
            response = await next(exchange)
            seen.append(f"{self.name} out")
            return response

    class Pass:
        def filter(self, exchange, next):
            return next(exchange)

    class Answer:
        async def handle(self, exchange):
            seen.append("handler")
            return Response(200)

    exchange = Exchange(Request("GET", Target("/", None), Headers()), Peer("", 0, "", 0), "id", 0.0, 0.0)
    response = await ask(Chain([Note("outer"), Pass(), Note("inner")], Answer()), exchange)
    assert response.status == 200
    assert seen == ["outer in", "inner in", "handler", "inner out", "outer out"]
