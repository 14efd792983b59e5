"""What must not be read from the database alone: contacts, secrets of cases, addresses of callers.

All keys are derived from the installation's secret (:mod:`geo.secrets`), which is not in the
database: a copy of the tables, or a backup, holds no contact in clear. Who replaces the secret
loses the contacts of open cases, and reporters their secrets.
"""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken

from geo.errors import SetupError
from geo.secrets import secret

SECRET_LENGTH = 16
"""Characters of the secret of a case, five bits each."""


def _derive_key(purpose: str) -> bytes:
    return hmac.digest(secret(), f"gridatlas casework {purpose}".encode(), "sha256")


def _fernet() -> Fernet:
    return Fernet(base64.urlsafe_b64encode(_derive_key("contact")))


def seal_contact(contact: str) -> bytes:
    """Encrypt a contact."""
    return _fernet().encrypt(contact.encode())


def open_contact(sealed: bytes) -> str:
    """Decrypt a contact.

    Raises
    ------
    SetupError
        If it was encrypted with another installation secret.
    """
    try:
        return _fernet().decrypt(sealed).decode()
    except InvalidToken:
        raise SetupError("case_contact_sealed") from None


def case_secret(number: str) -> str:
    """Return the secret with which the reporter of a case follows it up; it is stored nowhere."""
    digest = hmac.digest(_derive_key("secret"), number.encode(), "sha256")
    return base64.b32encode(digest).decode()[:SECRET_LENGTH]


def is_case_secret(number: str, given: str) -> bool:
    """Return whether a text is the secret of a case; spaces, hyphens and case are ignored."""
    compact = given.replace("-", "").replace(" ", "").upper()
    return hmac.compare_digest(compact.encode(), case_secret(number).encode())


def origin_digest(origin: str, purpose: str) -> str:
    """Return the digest by which requests of a network address or a device are counted."""
    return hmac.new(
        _derive_key("origin"), f"{purpose} {origin}".encode(), hashlib.sha256
    ).hexdigest()


def digest_with_key(*parts: bytes) -> str:
    """Return a digest from which nobody without the installation's secret can guess the parts."""
    digest = hmac.new(_derive_key("request"), digestmod=hashlib.sha256)
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def key_digest(owner: str, key: str) -> str:
    """Return the digest of an idempotency key of an account, or of the public."""
    return hashlib.blake2b(f"{owner}\n{key}".encode(), digest_size=24).hexdigest()
