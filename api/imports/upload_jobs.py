"""The jobs of an uploaded file: its import, or a dry run that reports what it would change."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, insert

from api.imports.run_schemas import describe_run
from api.imports.upload_files import Upload, find_upload
from etl.input.mapping import Mapping, validate_mapping
from etl.pipeline.run import Request, import_file
from etl.runs.report import run_report
from etl.runs.run_records import OnFinish
from geo.errors import GridatlasError
from geo.model import AuditEvent
from geo.model.job import JobKind
from geo.progress import Progress
from geo.settings import settings


def run_upload(
    engine: Engine, job: dict[str, Any], progress: Progress, finish_job: OnFinish
) -> None:
    """Import an uploaded file and delete it, or store what its import would change beside it.

    Parameters
    ----------
    finish_job
        Marks the job as done; called in the transaction that ends the import.

    Raises
    ------
    GridatlasError
        If the file can't be used, in words for a clerk; it is kept.
    """
    caller, parameters = job["caller"], job["parameters"]
    upload = find_upload(parameters["upload"], caller["role"], caller["name"])
    with naming_upload(upload.name):
        mapping = validate_mapping(parameters["mapping"], upload.name)
        if job["kind"] == JobKind.DRY_RUN:
            _dry_run(engine, upload, mapping, progress)
        else:
            record_and_finish = _record_import(upload, caller["name"], finish_job)
            _import(engine, upload, mapping, progress, record_and_finish)


def _dry_run(engine: Engine, upload: Upload, mapping: Mapping, progress: Progress) -> None:
    request = Request(mapping.layer, upload.file, mapping, dry=True, uploaded_by=upload.uploaded_by)

    def store_report(connection: Connection, number: int) -> None:
        run = describe_run(connection, number).model_dump(mode="json")
        report = run_report(connection, number)
        upload.write_dry_run(run | {"report": report["report"], "refused": report["refused"]})

    import_file(engine, request, settings(), progress, store_report)


def _import(
    engine: Engine, upload: Upload, mapping: Mapping, progress: Progress, on_finish: OnFinish
) -> None:
    request = Request(mapping.layer, upload.file, mapping, uploaded_by=upload.uploaded_by)
    import_file(engine, request, settings(), progress, on_finish)
    upload.delete()


def _record_import(upload: Upload, actor: str, finish_job: OnFinish) -> OnFinish:
    """Return the function that writes an import to the audit trail, and ends its job."""

    def record(connection: Connection, number: int) -> None:
        event = {
            "actor": actor,
            "action": "import",
            "object_type": "import_run",
            "object_code": str(number),
            "detail": {"file": upload.name, "upload": upload.id},
        }
        connection.execute(insert(AuditEvent), event)
        finish_job(connection, number)

    return record


@contextmanager
def naming_upload(name: str) -> Iterator[None]:
    """Let errors name the uploaded file in place of its path on the server.

    The API answers with the words of the section ``http`` of the catalogues, which name neither
    options of the command line nor mapping files.
    """
    try:
        yield
    except GridatlasError as error:
        values = {
            field: name if field == "file" or isinstance(value, Path) else value
            for field, value in error.values.items()
        }
        raise type(error)(error.key, **values) from error
