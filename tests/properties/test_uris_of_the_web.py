"""No URI that a wide rule lets through is one, for a parser of the web, that a narrower rule is about.

The parser is that of Node.js (URL Standard), by which servers of the TypeScript SDK read URIs.
"""

import json
import random
import shutil
import subprocess

import pytest

from deputize.mcp.operations import McpOperation, OperationRule, OperationRules
from support.examples import examples

NODE = shutil.which("node")
SCHEMES = [
    "http://",
    "HTTP://",
    "http:",
    "http:/",
    "http:\\\\",
    "ht\ntp://",
    " http://",
    "http:///",
    "https://",
    "file:///",
    "file://",
    "file:",
    "FILE:/",
    "f://",
    "F://",
    "f:/",
]
PARTS = [
    "secret",
    "Secret",
    "%73ecret",
    "%2573ecret",
    "\uff53ecret",
    "\u017fecret",
    "sec\u00adret",
    "se\tcret",
    "secret\n",
    "secret?",
    "secret#",
    "secret:",
    "secret:80",
    "secret:0080",
    "secret.",
    "a@secret",
    "@secret",
    ":@secret",
    "public",
    "..",
    ".",
    "%2e%2e",
    ".%2E",
    "%252e.",
    "..;x",
    "\u3002\u3002",
    "\uff0e\uff0e",
    "",
    "x",
    "%00",
    "localhost",
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "2130706433",
    "017700000001",
    "127\u30020\uff0e0.1",
    "[::1]",
    "[0::1]",
    "[::ffff:127.0.0.1]",
]
SEPARATORS = ["/", "//", "\\", "%2f", "%5C", "/./", "?", "#", "", "@", ":", "/ ", "\t/"]
SECRET = (
    "http://secret/*",
    "http://secret/",
    "http://127.0.0.1/*",
    "http://[::1]/*",
    "http://localhost/*",
    "file:///secret/*",
    "file:///secret",
    "f://secret/*",
)
READ = """
const given = JSON.parse(require('fs').readFileSync(0));
const read = (text) => { try { return new URL(text).toString() } catch { return null } };
console.log(JSON.stringify(given.map(read)));
"""


@pytest.mark.skipif(NODE is None, reason="there is no Node.js here")
def test_no_uri_is_another_for_a_parser_of_the_web():
    admin = OperationRule("secrets", ("admin",), {"resources": SECRET})
    rest = OperationRule("rest", ("read",), {"resources": ("*",)})
    reader = OperationRules([admin, rest]).permissions({"read"})
    draw = random.Random(1)
    allowed = []
    for _ in range(examples(100_000)):
        parts = [draw.choice(PARTS) + draw.choice(SEPARATORS) for _ in range(draw.randint(1, 4))]
        uri = draw.choice(SCHEMES) + "".join(parts)
        if reader.allows(McpOperation("resources", uri)):
            allowed.append(uri)
    command = (NODE, "-e", READ)
    done = subprocess.run(command, input=json.dumps(allowed), capture_output=True, text=True, check=True)
    read = json.loads(done.stdout)
    about_secrets = OperationRules([admin]).permissions({"admin"})
    bypasses = [
        (uri, as_read)
        for uri, as_read in zip(allowed, read, strict=True)
        if as_read is not None and about_secrets.allows(McpOperation("resources", as_read))
    ]
    assert bypasses == []
    assert sum(each is not None for each in read) > len(allowed) / 2
