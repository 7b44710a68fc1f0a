"""Where the browser comes back to, for clients that leave that to their host (RFC 8252 section 7.3)."""

import threading
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, urlsplit


class Loopback:
    def __init__(self):
        self.answer = {}
        self._came = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer = dict(parse_qsl(urlsplit(self.path).query))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
                outer._came.set()

            def log_message(self, *_):
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def redirect_uri(self):
        return f"http://127.0.0.1:{self._server.server_port}/callback"

    def open(self, url):
        webbrowser.open(url)

    def wait(self):
        self._came.wait(120)
        return self.answer
