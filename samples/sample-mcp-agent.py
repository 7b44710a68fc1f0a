#!/usr/bin/env python3
"""The sample agent: `AGENT_SECRET=… python3 samples/sample-mcp-agent.py --client-id ID --mcp-server-url URL`.

The option `--help` lists the others.
"""

import signal
import sys

try:
    from agent.cli import main
except ModuleNotFoundError as error:
    sys.exit(
        f"[ERROR] {error}: start the agent with the Python that has its libraries, .venv/bin/python "
        f"(`make demo` sets it up)"
    )


def _interrupt(number: int, frame: object) -> None:  # noqa: ARG001 - the signature of a signal handler
    """End the agent at its prompt too, where asyncio's own handler would wait for the next line."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGINT, _interrupt)
    sys.exit(main())
