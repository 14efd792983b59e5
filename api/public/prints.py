"""Printable documents: map sheets, contact cards and notice boards (PDF), assignments (XLSX)."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from sqlalchemy import select
from starlette.responses import Response

from api.core import problems
from api.core.caller import allow
from api.core.parameters import Code12, Connection, Number
from api.core.problems import require_found
from api.core.read_audit import audit_reads
from api.core.responses import file_response
from geo.messages import Language
from geo.model import GridPlan
from maps.paper.assignment import assignment_workbook
from maps.paper.map_documents import community_sheet
from maps.paper.notice import contact_cards, notice_boards
from maps.paper.page_layout import PAPERS

PDF = "application/pdf"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

router = APIRouter(
    tags=["paper"],
    dependencies=[allow("planner", "admin"), audit_reads("grid_member")],
    responses=problems.DOCUMENTED,
    default_response_class=Response,
)

PaperLanguage = Annotated[Language, Query(description="language on the paper")]
Grid = Annotated[str, Query(pattern="^([0-9]{15})?$", description="the only grid to print")]
Scale = Annotated[
    int | None, Query(ge=100, le=20_000, description="1:scale; by default the one that fits")
]


@router.get("/plans/{plan}/sheet.pdf")
def plan_sheet(
    connection: Connection,
    plan: Number,
    paper: Literal["A4", "A3", "8K"] = "A3",
    scale: Scale = None,
    lang: PaperLanguage = "zh",
) -> Response:
    """Return the map sheet of a plan's community at a standard scale."""
    community = _community(connection, plan)
    document = community_sheet(
        connection, community, PAPERS[paper], scale=scale, plan=plan, lang=lang
    )
    return file_response(document.pdf, PDF, f"{community}.pdf", "inline")


@router.get("/plans/{plan}/assignment.xlsx")
def plan_assignment(connection: Connection, plan: Number, lang: PaperLanguage = "zh") -> Response:
    """Return the list of buildings and units with their grids in a plan."""
    community = _community(connection, plan)
    workbook = assignment_workbook(connection, community, plan=plan, lang=lang)
    return file_response(workbook, XLSX, f"{community}.xlsx", "inline")


@router.get("/communities/{community}/cards.pdf")
def cards(
    request: Request,
    connection: Connection,
    community: Code12,
    grid: Grid = "",
    copies: Annotated[int, Query(ge=1, le=1000, description="copies of each card")] = 1,
    lang: PaperLanguage = "zh",
) -> Response:
    """Return the contact cards of all grids of a community, or of one grid."""
    site = str(request.base_url)
    pdf = contact_cards(connection, community, grid=grid, copies=copies, site=site, lang=lang)
    return file_response(pdf, PDF, f"cards-{grid or community}.pdf", "inline")


@router.get("/communities/{community}/notice.pdf")
def boards(
    request: Request,
    connection: Connection,
    community: Code12,
    grid: Grid = "",
    lang: PaperLanguage = "zh",
) -> Response:
    """Return the notice boards of all grids of a community, or of one grid."""
    site = str(request.base_url)
    pdf = notice_boards(connection, community, grid=grid, site=site, lang=lang)
    return file_response(pdf, PDF, f"notice-{grid or community}.pdf", "inline")


def _community(connection: Connection, plan: int) -> str:
    statement = select(GridPlan.community_code).where(GridPlan.id == plan)
    community = connection.execute(statement).scalar()
    community = require_found("no_plan_here", community, plan=plan)
    return str(community)
