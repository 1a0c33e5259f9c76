"""TLS on the loopback: a certificate of our own, for clients that speak wss and nothing else."""

import ssl
import subprocess
from pathlib import Path

from voxlab import models
from voxlab.errors import VoxlabError

DAYS = 365
NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"


def certificate(folder: Path | None = None) -> Path:
    """Return a file with a key and a self-signed certificate for localhost, made if it is missing.

    folder: default: with the models. Clients trust the file: Node.js by NODE_EXTRA_CA_CERTS,
    Python by ssl.create_default_context(cafile=...). Raises VoxlabError if there is no openssl.
    """
    folder = folder or models.cache_dir() / "tls"
    file = folder / "localhost.pem"
    if file.is_file() and _is_valid(file):
        return file
    folder.mkdir(parents=True, exist_ok=True)
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", str(DAYS), "-subj", "/CN=localhost", "-addext", NAMES]
    try:
        made = subprocess.run(
            [*command, "-keyout", "-", "-out", "-"], capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise VoxlabError(
            f"cannot make a certificate ({error}): install the program openssl, or leave out --tls"
        ) from error
    file.touch(mode=0o600)
    file.write_bytes(made.stdout)
    return file


def _is_valid(file: Path) -> bool:
    """Tell whether the certificate holds for another day."""
    command = ["openssl", "x509", "-checkend", "86400", "-noout", "-in", str(file)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return True  # no openssl to ask; ssl will say what is wrong with it


def tls_context(file: Path) -> ssl.SSLContext:
    """Return a server's context with the key and the certificate of a file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
