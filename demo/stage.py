"""The folders, free ports and certificates that the programs use."""

import contextlib
import datetime as dt
import fcntl
import ipaddress
import secrets
import shutil
import socket
import ssl
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "agent-delegation"
USE_CASE_PORTS = (9080, 8000, 8080, 8443, 8085, 3000)
ANY_PORTS = (0, 0, 0, 0, 0, 0)
HOST_NAMES = ("localhost", "ig.example.com")
VALIDITY = dt.timedelta(days=30)
REQUEST_SECONDS = 60.0
"""How long an answer may take: a busy machine takes its time, and a program that ended is noticed at once."""
TRUST = ssl.create_default_context()
"""Whom clients trust by default, read once: a client that reads it for itself takes 40 ms to make."""


class StageTaken(Exception):
    """Another run uses the same folder."""


class Ports(NamedTuple):
    """The ports on which the programs listen."""

    authority: int
    weather: int
    gateway_clear: int
    gateway_tls: int
    gateway_admin: int
    callback: int


@dataclass(frozen=True)
class Stage:
    """The folder of one run, and the URLs that follow from its ports."""

    folder: Path
    ports: Ports
    password: str
    """The demo user's password."""

    @property
    def authority_url(self) -> str:
        """The authority's base URL."""
        return f"http://localhost:{self.ports.authority}"

    @property
    def gateway_url(self) -> str:
        """The gateway's public URL."""
        return f"https://localhost:{self.ports.gateway_tls}"

    @property
    def weather_url(self) -> str:
        """The MCP server that the gateway protects."""
        return f"http://localhost:{self.ports.weather}"

    @property
    def data(self) -> Path:
        """The authority's data folder."""
        return self.folder / "authority"

    @property
    def instance(self) -> Path:
        """The gateway's instance folder."""
        return self.folder / "gateway"

    @property
    def ca_file(self) -> Path:
        """The certificate authority that signed the gateway's certificate."""
        return self.folder / "ca.pem"

    def log(self, name: str) -> Path:
        """Return the log file of the program of that name."""
        return self.folder / "logs" / f"{name}.log"


@contextlib.contextmanager
def alone_in(folder: Path) -> Generator[None]:
    """Hold the folder, so that nobody else may: `prepare` would take the database away from under a run.

    Raises `StageTaken`.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            reason = f"`make up` or `make demo` is running in {shown(folder)} already"
            raise StageTaken(f"{reason}; use that one, or end it with Ctrl-C first") from error
        yield


def shown(path: Path) -> str:
    """Return the path as a person in the repository's folder would write it."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def prepare(folder: Path, wanted: Sequence[int] = ANY_PORTS) -> Stage:
    """Make an empty stage in `folder`, with the gateway's instance folder and fresh certificates.

    Takes the wanted ports where they are free.
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "logs").mkdir(parents=True)
    taken: set[int] = set()
    stage = Stage(folder, Ports(*(_free_port(port, taken) for port in wanted)), secrets.token_urlsafe(12))
    shutil.copytree(EXAMPLE / "gateway", stage.instance)
    (stage.instance / "secrets").mkdir()
    _write_certificates(stage.ca_file, stage.instance / "secrets" / "key.manager.secret.id.pem")
    return stage


def _free_port(wanted: int, taken: set[int]) -> int:
    port = wanted if wanted and wanted not in taken and _is_free(wanted) else 0
    while port == 0 or port in taken:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    taken.add(port)
    return port


def _is_free(port: int) -> bool:
    """Whether all addresses can be bound: `GATEWAY_TLS_HOST` may ask for every interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - bound for an instant, to see whether it is taken
        except OSError:
            return False
        return True


def _write_certificates(ca_file: Path, server_file: Path) -> None:
    """Write this run's certificate authority, and a server certificate and key for `PemPropertyFormat`."""
    ca_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Deputize demo CA")])
    ca = _certificate(ca_name, ca_name, ca_key, ca_key)
    server_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST_NAMES[0])])
    server = _certificate(server_name, ca_name, server_key, ca_key)
    ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    server_file.touch(mode=0o600)
    server_file.write_bytes(
        server_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + server.public_bytes(serialization.Encoding.PEM)
    )


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    is_ca = subject == issuer
    names = [x509.DNSName(name) for name in HOST_NAMES] + [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=is_ca, crl_sign=is_ca, content_commitment=False,
        key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=0 if is_ca else None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if not is_ca:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
    return builder.sign(signer, hashes.SHA256())
