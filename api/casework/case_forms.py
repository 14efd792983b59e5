"""Forms and parameters of casework: what a case and a step may hold."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import File, Header, Path, UploadFile
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from api.core.caller import Caller
from api.core.parameters import ONE_LINE
from api.core.responses import StrictModel
from etl.photos import MAX_PHOTO_BYTES, reencode_photo
from geo.casework.actors import Actor
from geo.casework.workflow import Action
from geo.errors import InputError, TooLargeError

MAX_DESCRIPTION_LENGTH, MAX_ADDRESS_LENGTH, MAX_CONTACT_LENGTH = 2000, 200, 200
MAX_PHOTOS = 4
CASE_PHOTO_SIDE_PIXELS = 1600
"""Longest side of a stored photo of a case."""

MULTIPART = "multipart/form-data"
"""Media type of the forms; ``application/x-www-form-urlencoded`` is read as well."""

_LINES = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
_TAG = re.compile(r"<[A-Za-z/!]")

Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Words = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=MAX_DESCRIPTION_LENGTH, pattern=_LINES),
]
Line = Annotated[str, Field(max_length=MAX_ADDRESS_LENGTH, pattern=ONE_LINE)]
Photos = Annotated[list[UploadFile], File(max_length=MAX_PHOTOS)]

CaseNumber = Annotated[str, Path(pattern="^[0-9]{16}$", description="number of the case")]
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern="^([A-Za-z0-9_-]{16,100})?$",
        description="a random key, such as a UUID: the same request with the same key is carried "
        "out once",
    ),
]
DeviceToken = Annotated[
    str,
    Header(
        alias="Device-Token",
        pattern="^([A-Za-z0-9_-]{16,100})?$",
        description="a random token that a browser keeps, by which its new reports are limited; "
        "only a digest is stored, for a day",
    ),
]
CaseSecret = Annotated[
    str, Header(alias="Case-Secret", max_length=64, description="secret given with the number")
]


class ReportForm(BaseModel):
    """What somebody reports: the kind, the place (degrees, CGCS2000), words and photos."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(max_length=40)
    lon: Longitude
    lat: Latitude
    description: Annotated[Words, Field(min_length=1)]
    address: Line = ""
    contact: Annotated[str, Field(max_length=MAX_CONTACT_LENGTH, pattern=ONE_LINE)] = ""
    channel: Literal["page", "kiosk"] = "page"
    photos: Photos = []


class FilingForm(ReportForm):
    """A case that a grid manager or an office files.

    ``captured_at`` is when it was written down without a connection, ``device_at`` what the
    device's clock showed then; both are kept with the filing. The case is filed when it arrives.
    """

    channel: Literal["field", "office", "kiosk"] = "office"  # type: ignore[assignment]
    captured_at: AwareDatetime | None = None
    device_at: AwareDatetime | None = None

    def capture_times(self) -> dict[str, str]:
        """Return the times of the capture that were given."""
        times = {"captured_at": self.captured_at, "device_at": self.device_at}
        return {name: time.isoformat() for name, time in times.items() if time is not None}


class StepForm(BaseModel):
    """A step of a case; which fields it needs is in the case's ``actions``.

    ``to`` is the code of a grid or division, ``revision`` the one of the case that the caller saw.
    """

    model_config = ConfigDict(extra="forbid")

    action: Action
    note: Words = ""
    kind: str = Field(default="", max_length=40)
    to: str = Field(default="", pattern="^([0-9]{12}|[0-9]{15})?$")
    department: str = Field(default="", max_length=40)
    rating: int | None = Field(default=None, ge=1, le=5)
    revision: int | None = Field(default=None, ge=1)
    photos: Photos = []


class NoteForm(BaseModel):
    """What a reporter adds to a case."""

    model_config = ConfigDict(extra="forbid")

    note: Annotated[Words, Field(min_length=1)]
    photos: Photos = []


class RatingForm(StrictModel):
    """The rating of a case by its reporter, from 1 (poor) to 5."""

    rating: int = Field(ge=1, le=5)
    note: Words = ""


def actor_of(caller: Caller) -> Actor:
    """Return who takes a step on behalf of a caller."""
    return Actor(caller.name, caller.role, caller.scope, caller.grids)


def refuse_markup(*texts: str) -> None:
    """Refuse texts with HTML: no page would show it, and nobody types it by hand.

    Raises
    ------
    InputError
        If a text contains the beginning of a tag.
    """
    for words in texts:
        if found := _TAG.search(words):
            raise InputError("case_text_markup", found=words[found.start() :][:20])


def read_photos(files: Sequence[UploadFile]) -> list[bytes]:
    """Return photos re-encoded, which removes metadata and whatever else the files hold.

    Raises
    ------
    InputError, TooLargeError
        If a file is no picture, or too large.
    """
    return [reencode_photo(_content(file), CASE_PHOTO_SIDE_PIXELS) for file in files]


def _content(file: UploadFile) -> bytes:
    file.file.seek(0)  # a transaction that is repeated reads it again
    content = file.file.read(MAX_PHOTO_BYTES + 1)
    if len(content) > MAX_PHOTO_BYTES:
        raise TooLargeError("photo_too_large", most=MAX_PHOTO_BYTES // 1_000_000)
    return content
