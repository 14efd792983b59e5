"""Errors that are not faults of the program, as one tree.

Each error says what is wrong, where, and what to do; its text is in the catalogue under
``error.<key>``, so that the command line shows one line and the API a problem document.
"""

from typing import ClassVar

from geo.messages import Language, text


class GridatlasError(Exception):
    """An error that a person can correct.

    Parameters
    ----------
    key
        Name of the text in the ``error`` section of the catalogues.
    **values
        Fields of that text.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, key: str, **values: object) -> None:
        self.key = key
        self.values = values
        super().__init__(key, values)

    def message(self, lang: Language | None = None) -> str:
        """Return the message in a language, by default the current one."""
        return text(f"error.{self.key}", lang=lang, **self.values)

    def __str__(self) -> str:
        return self.message()


class GridatlasWarning(UserWarning):
    """A warning for users, whose text is from the catalogue."""


class InputError(GridatlasError):
    """A file or value that can't be used."""


class NotFoundError(GridatlasError):
    """A requested object does not exist."""


class SetupError(GridatlasError):
    """Something is missing on the machine: a package, a server, a right."""

    exit_code = 1


class NotSignedInError(GridatlasError):
    """The caller is not signed in, or not with valid credentials."""


class NotAllowedError(GridatlasError):
    """The caller's role may not do this."""


class ConflictError(GridatlasError):
    """The object is in a state that does not allow the operation."""


class StaleError(GridatlasError):
    """The change starts from an older state than the current one."""


class UnconditionalError(GridatlasError):
    """The change does not name the state that it starts from."""


class TooManyError(GridatlasError):
    """The caller has made too many attempts; ``seconds`` is the time until the next."""


class TooLargeError(GridatlasError):
    """The request is larger than the limit."""


class DiskFullError(GridatlasError):
    """The disk has no room for a file."""

    exit_code = 1
