"""The garbage collector of a long-running server."""

import gc


def spare_collector() -> None:
    """Spare what was loaded from garbage collection, and collect less often. Call once after loading.

    Requests leave no reference circles behind: looking for them at the default pace was measured to cost
    about a twentieth of each request's time and to find nothing. While much is being remembered, every third
    look takes in what the two before have left: more at a time costs the same, in pauses of 30 ms for 2.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 2, 2_000)
