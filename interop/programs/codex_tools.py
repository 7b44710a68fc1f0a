"""Asks Codex's server for editors which tools its MCP servers have: PROGRAM, with `codex` on the PATH."""

import json
import subprocess

REQUESTS = (
    {"id": 1, "method": "initialize", "params": {"clientInfo": {"name": "interop", "version": "1"}}},
    {"method": "initialized"},
    {"id": 2, "method": "mcpServerStatus/list", "params": {}},
)


def main():
    with subprocess.Popen(
        ["codex", "app-server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as codex:
        for request in REQUESTS:
            codex.stdin.write(json.dumps(request) + "\n")
            codex.stdin.flush()
            while "id" in request:
                answer = json.loads(codex.stdout.readline())
                if answer.get("id") == request["id"]:
                    break
        print(json.dumps(answer))
        codex.terminate()


main()
