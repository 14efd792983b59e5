"""``/fire``: the routes of the fire department, put together."""

from fastapi import APIRouter

from api.core.caller import allow
from api.fire import (
    building_items,
    building_plans,
    fire_buildings,
    fire_findings,
    key_units,
    station_coverage,
)

router = APIRouter(prefix="/fire", tags=["fire"], dependencies=[allow("fire", "admin")])
router.include_router(fire_findings.router)
router.include_router(fire_buildings.router)
router.include_router(building_items.router)
router.include_router(building_plans.router)
router.include_router(key_units.router)
router.include_router(station_coverage.router)
