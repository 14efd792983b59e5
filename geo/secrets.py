"""The installation's secret: from the environment, or a file that only its owner reads."""

import os
import secrets
from pathlib import Path

from geo.errors import SetupError
from geo.settings import settings

MIN_BYTES = 32
WEAK = ("change", "default", "example", "password", "secret")
"""Words of example secrets, which a secret may not contain."""


def secret() -> bytes:
    """Return the secret that tokens are signed with, created on first use.

    Raises
    ------
    SetupError
        If ``GRIDATLAS_SECRET`` is short or an example, or others may read the file.
    """
    value = settings().secret
    if not value:
        return _read_secret(settings().home / "secret")
    if len(value.encode()) < MIN_BYTES or any(word in value.lower() for word in WEAK):
        raise SetupError("secret_weak", least=MIN_BYTES)
    return value.encode()


def _read_secret(file: Path) -> bytes:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _create_file(file)
        if file.stat().st_mode & 0o077:
            raise SetupError("secret_open", file=file.absolute())
        content = file.read_bytes().strip()
    except OSError as error:
        raise SetupError("secret_unreadable", file=file.absolute(), said=error.strerror) from error
    if len(content) < MIN_BYTES:
        raise SetupError("secret_weak", least=MIN_BYTES)
    return content


def _create_file(file: Path) -> None:
    """Create the file atomically, unless another process has: others may read it at any time."""
    if file.exists():
        return
    temporary = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
        target.write(secrets.token_urlsafe(48))
    try:
        os.link(temporary, file)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
