#!/usr/bin/env python3
"""The sample agent: `AGENT_SECRET=… python3 samples/sample-mcp-agent.py --client-id ID --mcp-server-url URL`; see `--help`."""

import sys

from agent.cli import main

if __name__ == "__main__":
    sys.exit(main())
