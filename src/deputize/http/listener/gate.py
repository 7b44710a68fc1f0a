"""How much a process takes on, across its listeners."""


class Gate:
    """Counts connections and exchanges in progress.

    Beyond `connections` new ones are closed, beyond `exchanges` answered 503.
    """

    __slots__ = ("_max_connections", "_max_exchanges", "connections", "exchanges")

    def __init__(self, connections: int = 20_000, exchanges: int = 10_000) -> None:
        """Empty."""
        self._max_connections = connections
        self._max_exchanges = exchanges
        self.connections = 0
        self.exchanges = 0

    @property
    def has_room_for_connection(self) -> bool:
        """Whether one more connection may stay open."""
        return self.connections < self._max_connections

    @property
    def has_room_for_exchange(self) -> bool:
        """Whether one more request may be handled."""
        return self.exchanges < self._max_exchanges
