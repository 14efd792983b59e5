"""The files that clerks upload on the import page, each in a private folder of its own.

They are deleted once they are published, and otherwise after :attr:`Settings.upload_hours`.
"""

import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from etl.input.formats import DATASET_SUFFIXES
from geo.errors import InputError, NotFoundError
from geo.model import Role
from geo.settings import settings

POLL_INTERVAL_S = 600.0
"""Interval at which expired uploads are deleted."""

UPLOAD_ID = r"^[0-9a-f]{32}$"

_SHAPEFILE_SUFFIXES = (".shp", ".dbf", ".shx", ".prj", ".cpg")
_MAX_NAME_BYTES = 200
_DESCRIPTION, _DRY_RUN = "upload.json", "dry-run.json"


@dataclass(frozen=True)
class Upload:
    """An uploaded file.

    Attributes
    ----------
    id
        Name of its folder: 32 hexadecimal digits, which can't be guessed.
    name
        Name of the file as it was uploaded.
    uploaded_by
        Name of the account.
    uploaded_at
        Seconds since 1970.
    """

    id: str
    name: str
    uploaded_by: str
    uploaded_at: float

    @property
    def folder(self) -> Path:
        """The folder of the upload."""
        return _root() / self.id

    @property
    def file(self) -> Path:
        """The path of the file."""
        return self.folder / "file" / self.name

    @property
    def expires_at(self) -> datetime:
        """When it is deleted, unless it is published before."""
        uploaded_at = datetime.fromtimestamp(self.uploaded_at, UTC)
        return uploaded_at + timedelta(hours=settings().upload_hours)

    def write_dry_run(self, run: dict[str, Any]) -> None:
        """Store the result of a dry run, in place of an earlier one."""
        part = self.folder / f"{_DRY_RUN}.part"
        part.write_text(json.dumps(run, ensure_ascii=False, default=str), encoding="utf-8")
        part.replace(self.folder / _DRY_RUN)

    def read_dry_run(self) -> dict[str, Any]:
        """Return the result of the last dry run.

        Raises
        ------
        NotFoundError
            If there was none.
        """
        try:
            run: dict[str, Any] = json.loads((self.folder / _DRY_RUN).read_text(encoding="utf-8"))
        except OSError as error:
            raise NotFoundError("no_dry_run") from error
        return run

    def delete(self) -> None:
        """Delete the upload; it may be gone already."""
        shutil.rmtree(self.folder, ignore_errors=True)


def create_upload(name: str, uploaded_by: str) -> Upload:
    """Make the folder of a new upload, to whose ``file`` the content is written.

    Raises
    ------
    InputError
        If the file has no supported suffix, or is one part of a shapefile.
    """
    name = _plain_name(name)
    suffix = Path(name).suffix.lower()
    if suffix in _SHAPEFILE_SUFFIXES:
        raise InputError("upload_shapefile_part", file=name)
    if suffix not in DATASET_SUFFIXES or suffix == ".gdb":
        raise InputError("upload_format", file=name)
    upload = Upload(secrets.token_hex(16), name, uploaded_by, time.time())
    _root().mkdir(mode=0o700, parents=True, exist_ok=True)
    upload.folder.mkdir(mode=0o700)
    upload.file.parent.mkdir(mode=0o700)
    description = json.dumps(asdict(upload), ensure_ascii=False)
    (upload.folder / _DESCRIPTION).write_text(description, encoding="utf-8")
    return upload


def find_upload(number: str, role: str, name: str) -> Upload:
    """Return an upload of an account; an administrator's of any account.

    Raises
    ------
    NotFoundError
        If there is none, it is another's, or it has expired or been published.
    """
    upload = _read(_root() / number) if re.fullmatch(UPLOAD_ID, number) else None
    if upload is None or not upload.file.is_file() or upload.expires_at <= datetime.now(UTC):
        raise NotFoundError("no_such_upload")
    if role != Role.ADMIN and upload.uploaded_by != name:
        raise NotFoundError("no_such_upload")
    return upload


def delete_expired_uploads() -> None:
    """Delete the uploads whose time is over, and folders that hold none."""
    now = datetime.now(UTC)
    for folder in _folders():
        upload = _read(folder)
        if (upload.expires_at <= now) if upload else _is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    """Return whether a folder without a description was not made just now."""
    try:
        return folder.stat().st_mtime < time.time() - POLL_INTERVAL_S
    except OSError:
        return False  # it has been deleted meanwhile


def count_uploads(uploaded_by: str) -> int:
    """Return how many uploads of an account are kept."""
    uploads = [_read(folder) for folder in _folders()]
    return sum(upload is not None and upload.uploaded_by == uploaded_by for upload in uploads)


def _root() -> Path:
    return settings().home / "uploads"


def _folders() -> Iterator[Path]:
    with suppress(OSError):
        yield from _root().iterdir()


def _read(folder: Path) -> Upload | None:
    """Return the upload in a folder, None if it holds none."""
    try:
        return Upload(**json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _plain_name(name: str) -> str:
    """Return the name of a file without folders and control characters, cut to a usual length."""
    base = PureWindowsPath(PurePosixPath(name).name).name
    base = re.sub(r"[\x00-\x1f\x7f]", "", base).strip(". ")
    stem, suffix = Path(base).stem, Path(base).suffix
    cut = stem.encode()[: _MAX_NAME_BYTES - len(suffix.encode())].decode(errors="ignore")
    return f"{cut}{suffix}"
