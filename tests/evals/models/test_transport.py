"""Promises of the transport: a call that reaches no server has the code of its cause."""

import asyncio
import datetime
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from evals.models import ModelError
from evals.models.transport import Address, JsonTransport


def post(url: str) -> object:
    """Posts an empty body to an address."""

    async def send() -> object:
        transport = JsonTransport(Address(url, {}))
        try:
            return await transport.post({}, 30)
        finally:
            await transport.close()

    return asyncio.run(send())


def write_certificate(path: Path) -> Path:
    """Writes a key and a certificate that no authority signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + builder.sign(key, hashes.SHA256()).public_bytes(pem))
    return path


@pytest.fixture
def unsigned_server(tmp_path: Path) -> Iterator[str]:
    """The address of a server whose certificate nobody signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(write_certificate(tmp_path / "server.pem"))
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def test_a_certificate_that_nobody_signed_has_its_own_code(unsigned_server: str) -> None:
    """It is no answer that the API does not promise, which might be charged."""
    error = post(unsigned_server)
    assert isinstance(error, ModelError)
    assert error.code == "bad-certificate"


def test_a_host_that_cannot_be_a_name_is_not_reached() -> None:
    """The failure is the connection's, not an unreadable answer."""
    error = post("http://a..b/v1")
    assert isinstance(error, ModelError)
    assert error.code == "connection"
