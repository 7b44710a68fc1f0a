"""Finding out that the other end of a silent connection is gone."""

import socket

IDLE_SECONDS = 60
"""Silence after which the kernel asks whether the other end is still there."""
INTERVAL_SECONDS = 15
PROBES = 4


def keep_alive(connected: socket.socket) -> None:
    """Have the kernel end a connection whose other end has not answered for two minutes, also of what was
    sent to it.

    Accepted sockets inherit this from the listening one. Where the system has no such options, its own times
    hold.
    """
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    gone = IDLE_SECONDS + INTERVAL_SECONDS * PROBES
    for name, value in (
        ("TCP_KEEPIDLE", IDLE_SECONDS),
        ("TCP_KEEPINTVL", INTERVAL_SECONDS),
        ("TCP_KEEPCNT", PROBES),
        ("TCP_USER_TIMEOUT", gone * 1000),
    ):
        option: int | None = getattr(socket, name, None)
        if option is not None:
            connected.setsockopt(socket.IPPROTO_TCP, option, value)
