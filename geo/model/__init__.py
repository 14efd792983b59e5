"""The tables of the city spatial geodatabase, one module a theme."""

from geo.model.account import Account, Role, Session
from geo.model.assessment import AssessmentMeasure, AssessmentMonth
from geo.model.base import DISPLAY_SRID, STORAGE_SRID, Base, Feature, gist_indexes
from geo.model.building import Building, BuildingUnit, Compound
from geo.model.casework import (
    CaseContact,
    CaseEvent,
    CaseKey,
    CasePhoto,
    DutyRecord,
    DwellingVerification,
    ReportCount,
    ServiceCase,
    Visit,
)
from geo.model.facility import Facility
from geo.model.fire import (
    BuildingFireItem,
    BuildingPlan,
    BuildingReview,
    FireArea,
    FireFinding,
    FireOverlay,
    HydrantInspection,
)
from geo.model.grid import (
    DrawRun,
    Grid,
    GridInformant,
    GridManager,
    GridMember,
    GridPlan,
    MicroGrid,
    PlanComment,
    PlanEdit,
)
from geo.model.job import Job
from geo.model.pipe import PipeNode, PipeSegment
from geo.model.region import Region
from geo.model.register import Dwelling, Entity
from geo.model.run import (
    AuditEvent,
    Correction,
    ImportRun,
    IndexLeftOff,
    LayerChange,
    LayerRevision,
    Quarantine,
    RunChange,
)
from geo.model.transport import Railway, Road, Water

LAYERS: dict[str, type[Feature]] = {
    table.__tablename__: table
    for table in (
        Region,
        Compound,
        Building,
        BuildingUnit,
        Facility,
        Road,
        Railway,
        Water,
        PipeNode,
        PipeSegment,
        Dwelling,
        Entity,
        BuildingFireItem,
    )
}
"""Feature tables by layer name, parents before children."""

for _table in list(Base.metadata.tables.values()):
    gist_indexes(_table)
