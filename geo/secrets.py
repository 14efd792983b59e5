"""The installation's secret: from the environment, or a file that only its owner reads."""

import os
import secrets
from pathlib import Path

from geo.errors import SetupError
from geo.settings import settings

MIN_BYTES = 32
WEAK = ("change", "default", "example", "password", "secret")
"""What stands in examples; a secret with one of these words in it is no secret."""


def secret() -> bytes:
    """Return the secret that tokens are signed with, made on first use.

    Raises
    ------
    SetupError
        If ``GRIDATLAS_SECRET`` is short or taken from an example, or the file is open to others.
    """
    given = settings().secret
    if not given:
        return _read_secret(settings().home / "secret")
    if len(given.encode()) < MIN_BYTES or any(word in given.lower() for word in WEAK):
        raise SetupError("secret_weak", least=MIN_BYTES)
    return given.encode()


def _read_secret(file: Path) -> bytes:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _make(file)
        if file.stat().st_mode & 0o077:
            raise SetupError("secret_open", file=file.absolute())
        found = file.read_bytes().strip()
    except OSError as error:
        raise SetupError("secret_unreadable", file=file.absolute(), said=error.strerror) from error
    if len(found) < MIN_BYTES:
        raise SetupError("secret_weak", least=MIN_BYTES)
    return found


def _make(file: Path) -> None:
    """Make the file whole or not at all: another process may read it at once."""
    if file.exists():
        return
    fresh = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(secrets.token_urlsafe(48))
    try:
        os.link(fresh, file)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
