"""One client's connection: requests in order, each answered before the next is handled."""

import asyncio
import re
import select
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from deputize.http.connections import LOW_WATER, Silence, find_address, find_certificate, has_news
from deputize.http.exchange import Ending, Exchange, Head, Peer
from deputize.http.heads import chunk, response_head
from deputize.http.listener.answers import AnswerFlow
from deputize.http.listener.limits import Waiting
from deputize.http.listener.request_head import ITSELF, Refused
from deputize.http.listener.request_reader import RequestReader
from deputize.http.listener.shared import Shared, Unheard, ping
from deputize.http.messages import Body, HeaderError, Response
from deputize.http.plans.memory import Cut, cut
from deputize.http.plans.plan import Abandoned, Plan, Run

log = structlog.get_logger()
_SLICE = 16 * 1024
_END_OF_HEAD: Final = re.compile(rb"\r\n\r\n")  # twice as quick as `bytes.find`
_LOOKAHEAD: Final = 64 * 1024
"""The longest body that is waited for as a whole although nobody has asked for it."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_COMMENT = b":\n"
"""A comment of one line only: at an empty line after it, some clients make an event of the id they remember.
"""


class Connection(AnswerFlow):
    """Reads requests, has them handled one after the other, and writes the answers.

    A request whose head is remembered, and that is complete, goes straight to its plan. Every other one is
    parsed.
    """

    __slots__ = (
        "_admit",
        "_body_silence",
        "_closing",
        "_doubted",
        "_ends",
        "_exchange",
        "_half_closed",
        "_held",
        "_leave_listener",
        "_partial",
        "_peer",
        "_reader",
        "_reading",
        "_refused",
        "_run",
        "_silence",
        "_wanted",
    )

    def __init__(
        self,
        listener: Shared,
        admit: Callable[["Connection"], bool],
        leave: Callable[["Connection", asyncio.Task[None] | None], None],
    ) -> None:
        """Ask `admit` whether there is room when the connection opens.

        Tell `leave` when it is lost, with the task that has yet to end.
        """
        super().__init__(listener)
        self._admit = admit
        self._leave_listener = leave
        self._reader = RequestReader(
            self.loop,
            listener.limits,
            secure=listener.secure,
            on_flow=self._regulate,
            on_continue=self._ask_for_body,
        )
        self._exchange: Exchange | None = None
        self._run: Run | None = None
        self._held = b""
        self._partial = b""
        self._wanted = 0
        self._reading = True
        self._closing = False
        self._half_closed = self._doubted = False
        self._body_silence: Silence | None = None
        self._refused: Refused | None = None
        self._silence = Silence()

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the listener, or close at once when there is no room."""
        super().connection_made(transport)
        remote, local = find_address(transport, "peername"), find_address(transport, "sockname")
        shown = find_certificate(transport) if self._listener.secure else None
        self._peer = Peer(*remote, *local, secure=self._listener.secure, certificate=shown)
        self._ends = f"{remote[0]} {local[0]} {local[1]} {shown or ''}".encode()
        if not self._admit(self):
            self._closing = True
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the cause does not matter
        """Cancel the work for a client that has left."""
        self._feed_partial()  # what has a head is recorded
        self._closing = True
        self._held = self._partial = b""
        self._refused = self._broken = None
        self._reader.close()
        self._leave_listener(self, self._abandon())

    def data_received(self, data: bytes) -> None:
        """Parse, and handle the next request unless one is being handled."""
        if self._closing or self._refused is not None or self._broken is not None:
            return
        if self._held:
            self._held += data
            return
        if self._partial:
            self._partial += data
            if len(self._partial) < self._wanted:
                return
            data, self._partial = self._partial, b""
        if (
            self._exchange is not None
            or self.stalled
            or not self._reader.is_between
            or not self._serve_known(data)
        ):
            self._feed(data)

    def eof_received(self) -> bool:
        """Note that the client sends no more: it has left, unless it waits for answers (RFC 9112 section
        9.6).

        Only sending tells which: an interim answer does no harm, and a client that has left refuses it.
        Within an answer the next piece tells; while none comes, and at once for a stream of events, it counts
        as having left.
        """
        if self._listener.secure:
            return False
        self._feed_partial()
        if self._closing:
            self._half_closed = True
            return self._refused is not None
        if self._lasting or self._reader.body is not None or not self._is_awaited():
            return False
        self._half_closed = True
        self._doubted = self._answering
        if self._exchange is not None and not self._answering and self._exchange.received.version == "1.1":
            self.transport.write(_CONTINUE)
        return True

    def _is_awaited(self) -> bool:
        """Whether a request that has come is still to be answered."""
        return (
            self._exchange is not None
            or bool(self._reader.ready)
            or bool(self._held)
            or self._refused is not None
        )

    def resume_writing(self) -> None:
        """Go on writing: the chunk that waits, or the next answer."""
        super().resume_writing()
        if self._exchange is None:
            self._next()

    # Reading.

    def _serve_known(self, data: bytes) -> bool:  # noqa: PLR0911 - one line a condition
        """Serve the request that `data` is if its head is remembered; wait for the rest of its body.

        Otherwise the head is remembered as soon as it has been parsed and planned for.
        """
        listener, reader = self._listener, self._reader
        found = _END_OF_HEAD.search(data)
        if found is None or (end := found.end()) > listener.limits.known_head_bytes:
            return False
        key, names, values = cut(self._ends, data[:end])
        now = listener.clock.now()
        known = listener.plans.recall(key, now)
        if known is None:
            reader.cut = Cut(key, names, values)
            return False
        head, plan, length_at, _ = known
        length = 0
        if length_at is not None:
            stated = values[length_at]
            if not stated.isdigit() or len(stated) > 9:
                return False
            length = int(stated)
        most = listener.limits.body_bytes
        if most is not None and length > most:
            return False
        missing = end + length - len(data)
        if missing:
            if missing < 0 or length > _LOOKAHEAD:
                return False
            self._partial, self._wanted = data, end + length
            return True
        reader.messages += 1
        transaction_id, moment = listener.transaction_ids.new(), time.monotonic()
        exchange = Exchange(head, self._peer, transaction_id, moment, now, Body(data[end:]), values=values)
        self._start(exchange, plan)
        return True

    def _feed_partial(self) -> None:
        """Parse what was waited for and has not come: from here on its deadlines are those of any request."""
        if self._partial:
            data, self._partial = self._partial, b""
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        reader = self._reader
        try:
            if len(data) <= _SLICE:
                reader.feed(data)
            else:
                # In slices, so that little is parsed beyond what back-pressure and pipelining allow.
                offset = 0
                while offset < len(data) and not self._is_full():
                    reader.feed(data[offset : offset + _SLICE])
                    offset += _SLICE
                self._held = data[offset:]
        except Refused as refused:
            log.info(
                "refused a request",
                status=refused.status,
                reason=str(refused),
                client=self._peer.remote_address,
            )
            # Answered in turn: a broken body by its handler's failure, anything else after what is ready.
            if refused.in_body:
                self._broken = refused
            else:
                self._refused = refused
        if reader.body is not None or len(reader.ready) > 1:
            self._regulate()
        if self._exchange is None:
            self._next()

    def _is_full(self) -> bool:
        body = self._reader.body
        return len(self._reader.ready) >= self._listener.limits.pipelined or (body is not None and body.full)

    def _regulate(self) -> None:
        """Read from the client only as fast as its requests are handled and its body is consumed."""
        full = self._is_full()
        paused = full or bool(self._held)
        if paused is self._reading and not self.transport.is_closing():
            self._reading = not paused
            (self.transport.pause_reading if paused else self.transport.resume_reading)()
        if self._held and not full:
            self.loop.call_soon(self._feed_held)

    def _feed_held(self) -> None:
        held, self._held = self._held, b""
        if held and not self._closing:
            self._feed(held)
            self._regulate()

    def _ask_for_body(self) -> None:
        if not self._answering and not self.transport.is_closing():
            self.transport.write(_CONTINUE)

    # Handling.

    def _next(self) -> None:
        """Handle the next request, once the previous answer has left."""
        if self.stalled or self._closing:
            return
        if self._reader.ready:
            listener = self._listener
            request, taken = self._reader.ready.pop(0), self._reader.taken.pop(0)
            head = Head.of(request, self._peer, None if taken is None else taken.readings)
            values = () if taken is None else taken.cut.values
            transaction_id = listener.transaction_ids.new()
            moment = time.monotonic(), listener.clock.now()
            exchange = Exchange(head, self._peer, transaction_id, *moment, request.body, values=values)
            try:
                plan = Plan.answering(head, ping) if head.target is ITSELF else listener.handler.plan(head)
            except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer and the operator the cause
                self._start(exchange, Plan.failing(head, error))
                return
            if taken is not None and taken.may_be_kept:
                listener.plans.keep(taken.cut.key, head, plan, taken.cut.names)
            self._start(exchange, plan)
        elif self._refused is not None:
            self._answer_refused(self._refused)

    def _start(self, exchange: Exchange, plan: Plan) -> None:
        gate = self._listener.gate
        self._exchange = exchange
        self._answering = self._doubted = False
        self._sent = 0
        if not gate.has_room_for_exchange:
            plan = Plan.answering(exchange.received, self._listener.refuse_busy)
        gate.exchanges += 1
        run = self._run = Run(exchange, self._take_answer)
        run.start(plan)

    def _take_answer(self, outcome: Response | Exception) -> None:
        """Answer with the response, or with what a failure comes to."""
        exchange = self._exchange
        self._run = None
        if exchange is None:  # cannot be
            return
        if isinstance(outcome, Response):
            try:
                self._send(exchange, outcome)
            except HeaderError as error:
                self._unsent = outcome
                self._task = self.loop.create_task(self._send_instead(exchange, outcome, error))
        elif isinstance(outcome, Abandoned):
            self._conclude(exchange, None, None)
        else:
            self._send(exchange, self._explain(exchange, outcome))

    def _is_to_close(self) -> bool:
        reader = self._reader
        if (
            reader.last
            or reader.body is not None
            or self._broken is not None
            or (self._half_closed and not self._held)
        ) and not reader.ready:
            return True
        return self._listener.closing

    def _answer_refused(self, refused: Refused) -> None:
        """Answer without a handler, once that is recorded, and close."""
        listener = self._listener
        self._closing = True
        transaction_id, now = listener.transaction_ids.new(), listener.clock.now()
        listener.records.unheard(Unheard(self._peer, transaction_id, refused.status, str(refused), now, None))
        head = response_head("GET", Response(refused.status), listener.date, b"Content-Length: 0", close=True)

        def leave() -> None:
            if not self.transport.is_closing():
                self.transport.write(head)
                self._close()
                self._refused = None

        if not listener.records.hold(leave):
            leave()

    # Ending.

    def _conclude(self, exchange: Exchange, response: Response | None, last: bytes | None) -> None:
        """Call the endings before the `last` bytes leave: an answer is recorded before the client has all of
        it.
        """
        if exchange.endings:
            ending = Ending(response, self._sent, last is not None, time.monotonic())
            for each in exchange.endings:
                try:
                    each(exchange, ending)
                except Exception:
                    log.exception("an exchange's ending failed", transaction=exchange.transaction_id)
        if last is None or not self._listener.records.hold(partial(self._leave, last)):
            self._leave(last)

    def _leave(self, last: bytes | None) -> None:
        """Write the last bytes and go on to the next request; abort when there are none: the answer broke
        off.
        """
        self._exchange = self._task = None
        self._listener.gate.exchanges -= 1
        if last is None:
            self.transport.abort()
            return
        if last and not self.transport.is_closing():
            self.transport.write(last)
        if self._close_after:
            self._close()
            return
        if not self._reading:
            self._regulate()
        if self._reader.ready or self._refused is not None:
            self._next()
        if self._half_closed and not self._is_awaited():
            self._close()

    def _close(self) -> None:
        """Close; first only the writing side while the client may still be sending, or a reset would take the
        answer from it.
        """
        self._closing = True
        self._held = b""
        sending = self._reader.body is not None or self._refused is not None or self._broken is not None
        if sending and not self._half_closed and self.transport.can_write_eof():
            self.transport.write_eof()
            if not self._reading:
                self._reading = True
                self.transport.resume_reading()
        else:
            self.transport.close()

    def retire(self) -> None:
        """Close now if idle, else after the answer in progress or to the request about to be read."""
        self._feed_partial()
        is_idle = self._exchange is None and not (self._reader.ready or self._reader.in_head or self._closing)
        if is_idle and not has_news(self.transport, select.POLLIN):
            self._close()

    def abort(self) -> asyncio.Task[None] | None:
        """Close now and return the task that is being cancelled, if there is one."""
        self.transport.abort()
        return self._abandon()

    def _abandon(self) -> asyncio.Task[None] | None:
        """Give up the exchange in progress, if there is one. Returns the task that is ending."""
        if self._run is not None:
            return self._run.cancel()
        task, unsent, exchange = self._task, self._unsent, self._exchange
        if task is not None:
            task.cancel()
            if unsent is not None and exchange is not None:
                # a task that is cancelled before it begins never reaches its end
                self._unsent = None
                self._task = self.loop.create_task(unsent.body.aclose())
                self._conclude(exchange, unsent, None)
        return task

    # Deadlines.

    def tick(self, now: float) -> None:
        """End what has waited too long for the client."""
        self._feed_partial()
        waiting, progress = self._waits_for()
        reader, limits, exchange = self._reader, self._listener.limits, self._exchange
        silent = self._silence.lasts((waiting, progress), now)
        if silent:
            reader.rest()
        if self._half_closed and (
            (self._doubted and silent > limits.tick_seconds) or has_news(self.transport, 0)
        ):
            self.transport.abort()
            return
        limit = limits.patience[waiting]
        if waiting is Waiting.CLOSE and self.transport.is_closing():
            limit = limits.write_seconds
        drips = False
        if waiting is Waiting.BODY:  # which may come too slowly on the whole without falling silent for long
            silence = self._body_silence = self._body_silence or Silence()
            lasted = silence.lasts((waiting, reader.messages), now)
            size = 0 if reader.body is None else reader.body.total
            drips = lasted > limits.body_seconds + size / limits.body_rate
        if drips or (limit is not None and silent > limit):
            self._expire(waiting)
        elif (
            waiting is Waiting.HANDLER
            and self._events is not None
            and self._events.reached
            and exchange is not None
            and exchange.comment_seconds is not None
            and silent >= exchange.comment_seconds
        ):
            # Whoever waits for events sees that the connection lives: a comment between two of them.
            self._sent += len(_COMMENT)
            self.transport.write(chunk(_COMMENT) if exchange.received.version == "1.1" else _COMMENT)

    def _waits_for(self) -> tuple[Waiting, int]:
        """Return what the connection waits for, and how far it got."""
        reader = self._reader
        pending = self.transport.get_write_buffer_size()
        taken = self.stalls + (self._sent - pending) // LOW_WATER
        if self._closing:
            return Waiting.CLOSE, taken
        if pending:
            return Waiting.READER, taken
        if self._exchange is not None:
            body = reader.body
            return (
                (Waiting.BODY, body.total)
                if body is not None and body.waiting and not reader.ready
                else (Waiting.HANDLER, self._sent)
            )
        if reader.in_head:
            return Waiting.HEAD, reader.messages
        return Waiting.REQUEST if reader.messages else Waiting.FIRST_REQUEST, reader.messages

    def _expire(self, waiting: Waiting) -> None:
        if waiting is Waiting.HEAD:
            self._refused = Refused(408, "the head did not come")
            self._next()
        elif waiting in {Waiting.REQUEST, Waiting.FIRST_REQUEST}:
            self._close()
        elif waiting is Waiting.BODY:
            self._broken = Refused(408, "the body did not come", in_body=True)
            self._reader.give_up(self._broken)
        else:
            self.transport.abort()
