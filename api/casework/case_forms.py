"""Forms and parameters of casework: what a case and a step may hold."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import File, Header, Path, UploadFile
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from api.core.caller import Caller
from api.core.parameters import ONE_LINE, UNFIT
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

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
CLOCK_TOLERANCE = timedelta(hours=1)
"""By which the time of an entry may be ahead of the server's clock."""

_LINES = rf"^[^\x00-\x08\x0b\x0c\x0e-\x1f{UNFIT}]*$"
_TAG = re.compile(r"<[A-Za-z/!?]")
_OTHER_ENCODING = re.compile(r"(?=.{0,3}[\xc0-\xd6\xd8-\xf6\xf8-\xfe])[\xa1-\xfe]{4}")
"""What Chinese text of another encoding than UTF-8 becomes when a form is read; ×××× and ···· are
no such text."""

_INVISIBLE = " \t\r\n\u3000\u200b\u200e\u200f\u2060\ufeff"
_DIRECTION_MARKS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")

Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]


def _strip_invisible(value: object) -> object:
    return value.strip(_INVISIBLE) if isinstance(value, str) else value


def _remove_direction_marks(value: object) -> object:
    return _strip_invisible(_DIRECTION_MARKS.sub("", value) if isinstance(value, str) else value)


Words = Annotated[
    str,
    BeforeValidator(_strip_invisible),
    StringConstraints(max_length=MAX_DESCRIPTION_LENGTH, pattern=_LINES),
]
Line = Annotated[
    str, BeforeValidator(_strip_invisible), Field(max_length=MAX_ADDRESS_LENGTH, pattern=ONE_LINE)
]
Key = Annotated[str, Field(max_length=40, pattern=ONE_LINE)]
"""Key of a kind, department or duty."""

Contact = Annotated[str, BeforeValidator(_remove_direction_marks), Field(pattern=ONE_LINE)]
"""A telephone number or address; copied from a list of contacts it has marks of direction."""

DeviceTime = Annotated[
    AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))
]
"""What a device's clock shows, right or wrong."""

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

    kind: Key
    lon: Longitude
    lat: Latitude
    description: Annotated[Words, Field(min_length=1)]
    address: Line = ""
    contact: Annotated[Contact, Field(max_length=MAX_CONTACT_LENGTH)] = ""
    channel: Literal["page", "kiosk"] = "page"
    photos: Photos = []


class FilingForm(ReportForm):
    """A case that a grid manager or an office files.

    ``captured_at`` is when it was written down without a connection, ``device_at`` what the
    device's clock showed then; both are kept with the filing. The case is filed when it arrives.
    """

    channel: Literal["field", "office", "kiosk"] = "office"  # type: ignore[assignment]
    captured_at: AwareDatetime | None = None
    device_at: DeviceTime | None = None

    def capture_times(self) -> dict[str, str]:
        """Return the times of the capture that were given.

        Raises
        ------
        InputError
            If no correct clock shows the time.
        """
        if self.captured_at is not None:
            refuse_unfit_time(self.captured_at)
        times = {"captured_at": self.captured_at, "device_at": self.device_at}
        return {name: time.isoformat() for name, time in times.items() if time is not None}


class StepForm(BaseModel):
    """A step of a case; which fields it needs is in the case's ``actions``.

    ``to`` is the code of a grid or division, ``revision`` the one of the case that the caller saw.
    """

    model_config = ConfigDict(extra="forbid")

    action: Action
    note: Words = ""
    kind: Key = ""
    to: str = Field(default="", pattern="^([0-9]{12}|[0-9]{15})?$")
    department: Key = ""
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
    """Refuse texts with HTML, which nobody types by hand, and texts that were not sent as UTF-8.

    Raises
    ------
    InputError
        If a text contains the beginning of a tag, or was sent in another encoding.
    """
    for words in texts:
        if found := _TAG.search(words):
            line = " ".join(words[found.start() :][:20].split())
            raise InputError("case_text_markup", found=line)
        if _OTHER_ENCODING.search(words):
            raise InputError("case_text_encoding")


def refuse_unfit_time(moment: datetime) -> None:
    """Refuse a time of an entry that no correct clock shows.

    Raises
    ------
    InputError
        If it is before :data:`EARLIEST` or in the future.
    """
    if not EARLIEST < moment < datetime.now(UTC) + CLOCK_TOLERANCE:
        raise InputError("time_unfit", at=moment.isoformat())


def read_photos(files: Sequence[UploadFile]) -> list[bytes]:
    """Return photos re-encoded, which removes metadata and whatever else the files hold.

    Raises
    ------
    InputError
        If a file is no picture.
    TooLargeError
        If a file is too large.
    """
    return [reencode_photo(_content(file), CASE_PHOTO_SIDE_PIXELS) for file in files]


def _content(file: UploadFile) -> bytes:
    file.file.seek(0)  # a transaction that is repeated reads it again
    content = file.file.read(MAX_PHOTO_BYTES + 1)
    if len(content) > MAX_PHOTO_BYTES:
        raise TooLargeError("photo_too_large", most=MAX_PHOTO_BYTES // 1_000_000)
    return content
