"""A host of client ID metadata documents over TLS, as a client's maker would run one."""

import json
import ssl
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from demo.stage import Stage

REDIRECT_URIS = ("http://localhost/callback", "http://127.0.0.1/callback")
"""Where native clients listen, on a port of the moment (RFC 8252 section 7.3)."""


class Documents:
    """Serves the documents that were published, while the context lasts."""

    def __init__(self, stage: Stage) -> None:
        """Use the stage's certificate for servers."""
        self._documents: dict[str, bytes] = {}
        documents = self._documents

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = documents.get(self.path)
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                """Write nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(stage.instance / "secrets" / "key.manager.secret.id.pem")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def host(self) -> str:
        """Host and port, as a frame names them."""
        return f"localhost:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def publish(self, name: str, redirect_uris: tuple[str, ...] = REDIRECT_URIS, **members: Any) -> str:  # noqa: ANN401 - any JSON
        """Publish the document of a public client of that name, and return its client ID."""
        path = f"/{name.lower().replace(' ', '-')}.json"
        client_id = f"https://{self.host}{path}"
        document: Mapping[str, Any] = {
            "client_id": client_id,
            "client_name": name,
            "redirect_uris": list(redirect_uris),
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            **members,
        }
        self._documents[path] = json.dumps(document).encode()
        return client_id
