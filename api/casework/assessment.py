"""``/assessment``: indicators of grids and divisions by month, with ranking, map and files."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel
from sqlalchemy import Connection as Database
from sqlalchemy import text
from starlette.responses import Response

from api.casework.case_forms import actor_of
from api.casework.filing import run_as_service
from api.core import problems
from api.core.audit import record
from api.core.caller import Caller, CurrentCaller, allow
from api.core.parameters import Connection, Lang
from api.core.responses import Collection, GeoJson, feature_collection, file_response
from api.public.prints import XLSX
from geo.casework import assessment
from geo.casework.assessment import AreaFigures
from geo.casework.indicators import Indicator, score_of
from geo.casework.workflow import level_of
from geo.errors import NotAllowedError
from geo.model.casework import CaseLevel
from maps.paper.assessment import assessment_pdf, assessment_workbook

router = APIRouter(
    prefix="/assessment",
    tags=["assessment"],
    dependencies=[allow("grid_manager", "office", "admin")],
)

MAX_TREND_MONTHS = 24
Month = Annotated[str, Path(pattern="^[0-9]{4}-[0-9]{2}$", description="such as 2026-11")]
Level = Annotated[CaseLevel, Query(description="of the areas")]
Area = Annotated[str, Query(pattern="^([0-9]{12}|[0-9]{15})$", description="code")]

_SHAPES = text(
    "SELECT code, ST_AsGeoJSON(ST_SimplifyPreserveTopology(geom, 0.00002), 6)::json AS shape "
    "FROM (SELECT code, geom FROM published.grid UNION ALL SELECT code, geom FROM region) area "
    "WHERE code = ANY (:codes) AND geom IS NOT NULL"
)


class MonthResponse(BaseModel):
    """A month; ``frozen_at`` is null while it is open and its figures still change."""

    month: str
    frozen_at: datetime | None


class MonthsResponse(BaseModel):
    """The months with figures, the newest first."""

    items: list[MonthResponse]


class IndicatorResponse(BaseModel):
    """An indicator and its formula: a measure, or the quotient of two."""

    key: str
    name: str
    numerator: str
    denominator: str | None
    unit: Literal["percent", "mean", "count"]
    better: Literal["high", "low"]
    weight: float
    source: str


class AreaResponse(BaseModel):
    """Figures of an area: ``values`` by indicator, null where there was nothing to measure."""

    code: str
    name: str
    measures: dict[str, int]
    values: dict[str, float | None]
    score: float | None
    rank: int | None


class FiguresResponse(BaseModel):
    """A month's figures of all areas of a level, the best score first."""

    month: str
    level: CaseLevel
    frozen_at: datetime | None
    indicators: list[IndicatorResponse]
    items: list[AreaResponse]


class TrendMonth(BaseModel):
    """An area's figures in a month."""

    month: str
    values: dict[str, float | None]
    score: float | None


class TrendResponse(BaseModel):
    """The figures of an area in closed months, the oldest first."""

    code: str
    items: list[TrendMonth]


@router.get("/months", responses=problems.PROTECTED)
def months(request: Request) -> MonthsResponse:
    """List the months with figures."""
    listed = run_as_service(request.app.state.engine, assessment.list_months)
    return MonthsResponse.model_validate({"items": listed})


@router.get("/months/{month}", responses=problems.PROTECTED)
def figures(
    request: Request, caller: CurrentCaller, month: Month, level: Level = CaseLevel.GRID
) -> FiguresResponse:
    """Return the figures of a month: those frozen when it was closed, else those of now."""
    indicators, frozen_at, areas = _read(request, caller, month, level)
    return FiguresResponse(
        month=month,
        level=level,
        frozen_at=frozen_at,
        indicators=[_describe_indicator(indicator) for indicator in indicators],
        items=[AreaResponse(**vars(area)) for area in areas],
    )


@router.get(
    "/months/{month}/map",
    response_class=GeoJson,
    responses=problems.protected_response(Collection[dict[str, Any]]),
)
def figures_map(
    request: Request,
    connection: Connection,
    caller: CurrentCaller,
    month: Month,
    level: Level = CaseLevel.GRID,
) -> Response:
    """Return the areas that exist today with their figures, as GeoJSON."""
    _, _, areas = _read(request, caller, month, level)
    codes = [area.code for area in areas]
    rows = connection.execute(_SHAPES, {"codes": codes})
    shapes = {row.code: row.shape for row in rows}
    features = [
        {
            "type": "Feature",
            "id": area.code,
            "geometry": shapes[area.code],
            "properties": {
                "code": area.code,
                "name": area.name,
                "score": area.score,
                **area.values,
            },
        }
        for area in areas
        if area.code in shapes
    ]
    return GeoJson(feature_collection(features, len(features)))


@router.get("/trend", responses=problems.PROTECTED)
def trend(request: Request, caller: CurrentCaller, code: Area) -> TrendResponse:
    """Return an area's figures of the last 24 closed months."""
    _check_own(caller, code)

    def read(connection: Database) -> list[TrendMonth]:
        closed = [month for month in assessment.list_months(connection) if month["frozen_at"]]
        items = []
        for month in reversed(closed[:MAX_TREND_MONTHS]):
            first = assessment.first_day(month["month"])
            indicators, measures, _ = assessment.read_month(connection, first)
            summed = assessment.sum_by_level(measures, level_of(code)).get(code, {})
            items.append(
                TrendMonth(
                    month=month["month"],
                    values={each.key: each.value(summed) for each in indicators},
                    score=score_of(indicators, summed),
                )
            )
        return items

    return TrendResponse(code=code, items=run_as_service(request.app.state.engine, read))


@router.get(
    "/months/{month}/table.xlsx",
    response_class=Response,
    responses={200: {"content": {XLSX: {}}}, **problems.PROTECTED},
)
def table_xlsx(
    request: Request,
    connection: Connection,
    caller: CurrentCaller,
    month: Month,
    lang: Lang,
    level: Level = CaseLevel.GRID,
) -> Response:
    """Return a month's ranking as a workbook, with measures and formulas."""
    indicators, frozen_at, areas = _read(request, caller, month, level)
    content = assessment_workbook(month, frozen_at, indicators, areas, lang)
    record(connection, caller, "export", "assessment_measure", month)
    return file_response(content, XLSX, f"assessment-{month}.xlsx")


@router.get(
    "/months/{month}/table.pdf",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}}, **problems.PROTECTED},
)
def table_pdf(
    request: Request,
    connection: Connection,
    caller: CurrentCaller,
    month: Month,
    lang: Lang,
    level: Level = CaseLevel.GRID,
) -> Response:
    """Return a month's ranking for printing on A4."""
    indicators, frozen_at, areas = _read(request, caller, month, level)
    content = assessment_pdf(month, frozen_at, indicators, areas, lang)
    record(connection, caller, "export", "assessment_measure", month)
    return file_response(content, "application/pdf", f"assessment-{month}.pdf")


def _read(
    request: Request, caller: Caller, month: str, level: CaseLevel
) -> tuple[tuple[Indicator, ...], datetime | None, list[AreaFigures]]:
    """Return indicators, time of closing and figures of the areas that a caller answers for."""
    first: date = assessment.first_day(month)
    if caller.role == "grid_manager" and level is not CaseLevel.GRID:
        raise NotAllowedError("assessment_own_grids")

    def read(connection: Database) -> Any:
        indicators, measures, frozen_at = assessment.read_month(connection, first)
        if caller.role == "grid_manager":
            measures = {code: m for code, m in measures.items() if code in caller.grids}
        within = caller.scope if caller.role == "office" else ""
        own = {code: m for code, m in measures.items() if code.startswith(within)}
        return indicators, frozen_at, assessment.figures_of(connection, indicators, own, level)

    result: tuple[tuple[Indicator, ...], datetime | None, list[AreaFigures]] = run_as_service(
        request.app.state.engine, read
    )
    return result


def _check_own(caller: Caller, code: str) -> None:
    """Refuse a code that the caller does not answer for."""
    if not actor_of(caller).answers_for(code):
        raise NotAllowedError("assessment_of_another", code=code)


def _describe_indicator(indicator: Indicator) -> IndicatorResponse:
    values = indicator.model_dump(exclude={"zh", "en"})
    return IndicatorResponse(name=indicator.text(), **values)
