"""``/imports/uploads``: files that clerks upload, check, correct and import in the browser.

A file is kept in a private folder (:mod:`api.imports.upload_files`) and read in the confined
process (:mod:`etl.input.sandbox`). Dry runs and imports are jobs (:mod:`api.imports.upload_jobs`).
"""

from datetime import datetime
from pathlib import Path as File
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection as Database
from sqlalchemy import func, select
from starlette.concurrency import run_in_threadpool

from api.core import problems
from api.core.audit import record
from api.core.caller import Caller, CurrentCaller, allow, transaction_as
from api.core.parameters import Connection, Lang
from api.core.responses import JSON, StrictModel
from api.imports.import_jobs import accepted_response, submit
from api.imports.quarantine import MAX_UPLOAD_BYTES
from api.imports.run_schemas import (
    ACCEPTED,
    RunDetailResponse,
    RunResponse,
    describe_run,
    explain_concern,
    explain_rejection,
)
from api.imports.upload_files import UPLOAD_ID, Upload, count_uploads, create_upload, find_upload
from api.imports.upload_jobs import naming_upload
from api.plans.jobs import JobResponse
from etl.input.file_preview import LAYERS, FilePreview, preview_file
from etl.input.layer_columns import REGISTER, table_of
from etl.input.mapping import LAYER_ALIASES, validate_mapping
from etl.pipeline.reading import read_city_bounds
from geo.crs import STORAGE, metric_crs
from geo.errors import ConflictError, InputError, TooLargeError
from geo.model.job import JobKind, JobStatus

router = APIRouter(prefix="/imports", tags=["imports"], dependencies=[allow("importer", "admin")])

MAX_UPLOADS = 20
"""Files that an account may have uploaded at a time."""

SHIFTS = ("gcj02", "bd09")
ENCODINGS = ("UTF-8", "GB18030", "BIG5")
_ZONES = range(4534, 4555)
"""CGCS2000 3-degree zones, from 75 E to 135 E; those with the zone's number are 21 lower."""

UploadId = Annotated[str, Path(pattern=UPLOAD_ID)]
Word = Annotated[str, Query(max_length=200)]


class UploadResponse(BaseModel):
    """An uploaded file, which is deleted at ``expires_at`` if it is not published before."""

    id: str
    name: str
    expires_at: datetime


class FileColumnResponse(BaseModel):
    """A column of a file, with its values in the first rows."""

    name: str
    samples: list[str]


class LayerColumnResponse(BaseModel):
    """A column of ours, its possible units, and the column of the file that probably fills it."""

    name: str
    required: bool
    units: list[str]
    source: str | None
    unit: str | None


class SourceResponse(BaseModel):
    """A source of a layer, with the number of its live features."""

    name: str
    features: int


class UploadPreviewResponse(UploadResponse):
    """What an uploaded file holds, and how it is probably read.

    ``codes_of`` is the source to which most of its codes belong, as in a file that was exported
    here; ``encoding`` is null for a format that has only one, ``crs`` if the file names no system.
    """

    layer: str
    layers: list[str]
    source: str
    sources: list[SourceResponse]
    codes_of: str | None
    file_layer: str
    file_layers: list[str]
    encoding: str | None
    encodings: list[str]
    has_place: bool
    crs: str | None
    likely_crs: str | None
    crs_choices: list[str]
    columns: list[FileColumnResponse]
    targets: list[LayerColumnResponse]


class ColumnMapping(StrictModel):
    """What fills a column of ours: a column of the file, or one value for every feature."""

    source: Annotated[str, Field(max_length=200)] | None = None
    unit: Annotated[str, Field(max_length=20)] | None = None
    constant: Annotated[str, Field(max_length=200)] | None = None


class UploadMapping(StrictModel):
    """How an uploaded file is read."""

    layer: Annotated[str, Field(max_length=40)]
    source: Annotated[str, Field(min_length=1, max_length=100)]
    columns: Annotated[dict[str, ColumnMapping], Field(max_length=100)]
    file_layer: Annotated[str, Field(max_length=200)] | None = None
    encoding: Annotated[str, Field(max_length=40)] | None = None
    crs: Annotated[str, Field(max_length=40)] | None = None
    swap_axes: bool = False
    coordinate_unit: Literal["m", "cm", "mm"] = "m"
    partial: bool = False

    def document(self) -> dict[str, Any]:
        """Return the same as a mapping file."""
        named = {name: rule for name, rule in self.columns.items() if rule.source}
        columns = {name: {"from": rule.source, "unit": rule.unit} for name, rule in named.items()}
        constants = {
            name: rule.constant
            for name, rule in self.columns.items()
            if rule.constant and not rule.source
        }
        coordinates: dict[str, Any] = {"swap_axes": self.swap_axes, "unit": self.coordinate_unit}
        if self.crs in SHIFTS:
            coordinates |= {"shift": self.crs, "crs": STORAGE, "override": True}
        elif self.crs:
            coordinates |= {"crs": self.crs, "override": True}
        return {
            "layer": self.layer,
            "source": self.source.strip(),
            "file_layer": self.file_layer,
            "encoding": self.encoding,
            "partial": self.partial,
            "columns": columns,
            "constants": constants,
            "coordinates": coordinates,
        }


@router.post("/uploads", status_code=201, responses=problems.problem_responses(403, 409, 413, 507))
async def upload(
    request: Request, caller: CurrentCaller, name: Annotated[str, Query(max_length=400)]
) -> UploadResponse:
    """Upload a file: the body is its content, ``name`` its name."""
    await run_in_threadpool(_refuse_too_many, caller)
    created = create_upload(name, caller.name)
    try:
        await _receive(request, created.file)
        await run_in_threadpool(_audit, request, caller, "upload", created)
    except BaseException:
        created.delete()
        raise
    return _describe(created)


def _refuse_too_many(caller: Caller) -> None:
    if count_uploads(caller.name) >= MAX_UPLOADS:
        raise ConflictError("too_many_uploads", most=MAX_UPLOADS)


async def _receive(request: Request, file: File) -> None:
    """Write the body of a request to a file that only this account of the machine may read."""
    size = 0
    with file.open("xb") as content:
        file.chmod(0o600)
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_UPLOAD_BYTES:
                raise TooLargeError("upload_file_too_large", limit=MAX_UPLOAD_BYTES // 2**20)
            await run_in_threadpool(content.write, chunk)
    if size == 0:
        raise InputError("upload_empty", file=file.name)


def _audit(request: Request, caller: Caller, action: str, upload: Upload) -> None:
    with transaction_as(request.app.state.engine, caller) as connection:
        record(connection, caller, action, "upload", upload.id, {"file": upload.name})


def _describe(upload: Upload) -> UploadResponse:
    return UploadResponse(id=upload.id, name=upload.name, expires_at=upload.expires_at)


@router.get("/uploads/{upload}", responses=problems.problem_responses(403, 404))
def preview(
    connection: Connection,
    caller: CurrentCaller,
    upload: UploadId,
    layer: Word = "",
    file_layer: Word = "",
    encoding: Word = "",
) -> UploadPreviewResponse:
    """Return what an uploaded file holds, and how it is probably read.

    Raises
    ------
    InputError
        If there is no such layer, or the file can't be read.
    """
    uploaded = find_upload(upload, caller.role, caller.name)
    if layer and layer not in LAYERS:
        raise InputError("no_such_layer", layer=layer, layers=", ".join(LAYERS))
    bounds = read_city_bounds(connection)
    with naming_upload(uploaded.name):
        file_preview = preview_file(uploaded.file, layer, file_layer, encoding, bounds)
    sources = _sources(connection, file_preview.layer)
    likely = [] if file_preview.likely_crs is None else [file_preview.likely_crs]
    return UploadPreviewResponse(
        **_describe(uploaded).model_dump(),
        layer=file_preview.layer,
        layers=list(LAYERS),
        source=file_preview.source or file_preview.layer,
        sources=sources,
        codes_of=_source_of_codes(connection, file_preview),
        file_layer=file_preview.file_layer,
        file_layers=file_preview.file_layers,
        encoding=file_preview.encoding,
        encodings=list(dict.fromkeys([*filter(None, [file_preview.encoding]), *ENCODINGS])),
        has_place=file_preview.has_place,
        crs=file_preview.crs,
        likely_crs=file_preview.likely_crs,
        crs_choices=list(dict.fromkeys([*likely, STORAGE, "EPSG:4326", *_zones(bounds), *SHIFTS])),
        columns=[FileColumnResponse(**vars(column)) for column in file_preview.columns],
        targets=[LayerColumnResponse(**vars(column)) for column in file_preview.targets],
    )


def _zones(bounds: Any) -> list[str]:
    """Return the zones of the live cities without and with their number; else all of China."""
    codes = {
        metric_crs((west + east) / 2, (south + north) / 2).to_epsg()
        for west, south, east, north in ([] if bounds is None else bounds.tolist())
    }
    chosen = [code for code in _ZONES if code in codes] or [*_ZONES]
    return [f"EPSG:{code - offset}" for offset in (0, len(_ZONES)) for code in chosen]


def _count_by_source(layer: str, *conditions: Any) -> Any:
    """Return the query of the sources of a layer and their features, that with the most first."""
    source, size = table_of(layer).c.source, func.count().label("features")
    named = select(source, size).where(source.is_not(None), *conditions)
    return named.group_by(source).order_by(size.desc(), source)


def _sources(connection: Database, layer: str) -> list[SourceResponse]:
    """Return the sources of a layer, that with the most features first."""
    table = LAYER_ALIASES.get(layer, layer)
    if table == REGISTER:
        return []
    rows = connection.execute(_count_by_source(table))
    return [SourceResponse(name=row.source, features=row.features) for row in rows if row.source]


def _source_of_codes(connection: Database, file_preview: FilePreview) -> str | None:
    """Return the source to which most codes of a file belong, None if most are new."""
    table = LAYER_ALIASES.get(file_preview.layer, file_preview.layer)
    if table == REGISTER or not file_preview.codes:
        return None
    has_code = table_of(table).c.code.in_(file_preview.codes)
    owner = connection.execute(_count_by_source(table, has_code)).first()
    is_most = owner is not None and 2 * owner.features > len(file_preview.codes)
    return str(owner.source) if owner is not None and is_most else None


@router.delete("/uploads/{upload}", status_code=204, responses=problems.problem_responses(403, 404))
def delete(request: Request, caller: CurrentCaller, upload: UploadId) -> None:
    """Delete an uploaded file."""
    uploaded = find_upload(upload, caller.role, caller.name)
    uploaded.delete()
    _audit(request, caller, "delete", uploaded)


@router.post(
    "/uploads/{upload}/dry-run",
    response_model=RunDetailResponse,
    responses=ACCEPTED | problems.problem_responses(403, 404, 409, 507),
)
async def dry_run(
    request: Request, caller: CurrentCaller, lang: Lang, upload: UploadId, mapping: UploadMapping
) -> Response:
    """Report what an import would change, and change nothing; a job if it takes long."""
    job = await _submit(request, caller, lang, JobKind.DRY_RUN, upload, mapping)
    if job.status != JobStatus.DONE:
        return accepted_response(job)
    detail = await run_in_threadpool(dry_run_result, caller, upload)
    return Response(detail.model_dump_json(), media_type=JSON)


@router.get("/uploads/{upload}/dry-run", responses=problems.problem_responses(403, 404))
def dry_run_result(caller: CurrentCaller, upload: UploadId) -> RunDetailResponse:
    """Return what the last dry run of an uploaded file file_preview."""
    run = find_upload(upload, caller.role, caller.name).read_dry_run()
    for concern in run["concerns"]:
        concern["said"] = explain_concern(concern)
    for feature in run["refused"]:
        feature["said"] = explain_rejection(feature["reason"], feature["detail"])
    return RunDetailResponse.model_validate(run)


@router.post(
    "/uploads/{upload}/import",
    response_model=RunResponse,
    responses=ACCEPTED | problems.problem_responses(403, 404, 409, 507),
)
async def start_import(
    request: Request, caller: CurrentCaller, lang: Lang, upload: UploadId, mapping: UploadMapping
) -> Response:
    """Import an uploaded file: it is published, or held for an administrator's approval."""
    job = await _submit(request, caller, lang, JobKind.IMPORT, upload, mapping)
    if job.status != JobStatus.DONE:
        return accepted_response(job)
    return await run_in_threadpool(_run_of_job, request, caller, job)


def _run_of_job(request: Request, caller: Caller, job: JobResponse) -> Response:
    with transaction_as(request.app.state.engine, caller) as connection:
        run = describe_run(connection, job.runs[-1])
    return Response(run.model_dump_json(), media_type=JSON)


async def _submit(
    request: Request,
    caller: Caller,
    lang: Any,
    kind: JobKind,
    number: str,
    mapping: UploadMapping,
) -> JobResponse:
    """Queue a job of an upload, after a check of the mapping, and wait for its end."""
    uploaded = await run_in_threadpool(find_upload, number, caller.role, caller.name)
    document = mapping.document()
    with naming_upload(uploaded.name):
        validate_mapping(document, uploaded.name)
    parameters = {"upload": number, "mapping": document}
    return await submit(request, caller, lang, kind, parameters)
