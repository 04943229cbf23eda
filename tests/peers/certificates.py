"""Certificates made by the openssl program, for servers that a test runs on 127.0.0.1."""

import ssl
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

_NEW: Final = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority(NamedTuple):
    """Who signs certificates: its own certificate and its key."""

    certificate: Path
    key: Path

    def server(self, directory: Path, names: str = "IP:127.0.0.1") -> ssl.SSLContext:
        """What a server needs to show a certificate for these names, signed by this authority."""
        signed = ("-CA", str(self.certificate), "-CAkey", str(self.key), "-subj", "/CN=server")
        extensions = ("-addext", f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:FALSE")
        made = _made(directory / "server", *signed, *extensions)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(made.certificate, made.key)
        return context


def authority(directory: Path, name: str = "ca") -> Authority:
    """One that nobody trusts yet."""
    return _made(directory / name, "-subj", f"/CN={name} of a test", "-addext", "keyUsage=critical,keyCertSign")


def _made(stem: Path, *wanted: str) -> Authority:
    made = Authority(stem.with_suffix(".pem"), stem.with_suffix(".key"))
    files = ("-days", "2", "-keyout", str(made.key), "-out", str(made.certificate))
    subprocess.run([*_NEW, *wanted, *files], check=True, capture_output=True)
    return made
