"""Token buckets: one for each partition and rate.

A partition whose exchanges alternate between two rates has two buckets. Were there one, each change of rate
would fill it again, and the limit would never be reached.
"""

from collections import OrderedDict

from deputize.gateway.throttling.rate import Rate

MAX_BUCKETS = 100_000
"""Partitions may come from clients.

Beyond this many the one unused for longest is forgotten, which is full again then.
"""


class Buckets:
    """A bucket holds as many tokens as the rate has requests, begins full, and gains them evenly over the
    rate's duration.
    """

    def __init__(self, max_buckets: int = MAX_BUCKETS) -> None:
        self._max = max_buckets
        self._buckets: OrderedDict[tuple[str, Rate], tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, partition: str, rate: Rate, now: float) -> float | None:
        """Take a token at `now`, in monotonic seconds.

        `None` if there was one, else the seconds until there will be.
        """
        key = (partition, rate)
        tokens, since = self._buckets.get(key, (float(rate.requests), now))
        pace = rate.requests / rate.seconds
        tokens = min(float(rate.requests), tokens + max(0.0, now - since) * pace)
        granted = tokens >= 1.0
        self._keep(key, (tokens - granted, max(now, since)))
        return None if granted else (1.0 - tokens) / pace

    def _keep(self, key: tuple[str, Rate], state: tuple[float, float]) -> None:
        self._buckets[key] = state
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._max:
            self._buckets.popitem(last=False)
