"""What can go wrong through no fault of the program, as one tree.

Each error says what is wrong, where, and what to do; its text is in the catalogue under
``error.<key>``, so that the command line shows one line and the API a problem document.
"""

from typing import ClassVar

from geo.messages import Language, text


class GridatlasError(Exception):
    """A mistake that a person can mend.

    Parameters
    ----------
    key
        Name of the text in the ``error`` section of the catalogues.
    **values
        The fields of that text.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, key: str, **values: object) -> None:
        self.key = key
        self.values = values
        super().__init__(key, values)

    def message(self, lang: Language | None = None) -> str:
        """Return the one line that tells the person."""
        return text(f"error.{self.key}", lang=lang, **self.values)

    def __str__(self) -> str:
        return self.message()


class InputError(GridatlasError):
    """A file or value given by a person can't be used."""


class NotFoundError(GridatlasError):
    """What was asked for is not in the database."""


class SetupError(GridatlasError):
    """The machine lacks something: a package, a server, a right."""

    exit_code = 1


class NotSignedInError(GridatlasError):
    """Nobody vouches for the caller."""


class NotAllowedError(GridatlasError):
    """The caller's role may not do this."""


class ConflictError(GridatlasError):
    """The thing is in a state in which this can't be done."""


class StaleError(GridatlasError):
    """The caller saw an older state than there is now."""


class UnconditionalError(GridatlasError):
    """A change must say which state it starts from."""


class TooManyError(GridatlasError):
    """The caller asks too often; ``seconds`` says when to try again."""


class TooLargeError(GridatlasError):
    """What was sent is larger than what is taken."""


class DiskFullError(GridatlasError):
    """The disk has no room for a file that the answer needs."""

    exit_code = 1
