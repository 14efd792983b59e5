"""The estimate of households where no register exists."""

import geopandas as gpd
import pytest
import shapely

from etl.households import estimate_households
from geo.settings import Settings


def house(width_m: float = 20, depth_m: float = 10, **columns) -> gpd.GeoDataFrame:
    row = {
        "use": None,
        "kind": "yes",
        "storeys_above": float("nan"),
        "height_m": float("nan"),
        "households": float("nan"),
        **columns,
    }
    return gpd.GeoDataFrame([row], geometry=[shapely.box(0, 0, width_m, depth_m)], crs=32632)


@pytest.mark.parametrize(
    ("building", "households"),
    [
        (house(storeys_above=6, use="residential"), 12),
        (house(height_m=18.4, use="residential"), 12),
        (house(storeys_above=6, height_m=99.0, use="residential"), 12),
        (house(kind="apartments", use="residential"), 12),
        (house(kind="house", use="residential"), 4),
        (house(), 6),
        (house(storeys_above=10, use="mixed"), 16),
        (house(storeys_above=10, use="office"), 0),
        (house(storeys_above=10, use="education"), 0),
        (house(5, 5, storeys_above=10), 0),
        (house(100, 50), 0),
        (house(100, 50, use="residential", storeys_above=2), 100),
    ],
    ids=[
        "storeys",
        "height",
        "storeys before height",
        "apartments",
        "house",
        "unknown",
        "mixed use",
        "office",
        "school",
        "kiosk",
        "hall",
        "large dwelling",
    ],
)
def test_households_are_footprint_times_storeys_over_floor_a_household(building, households):
    found = estimate_households(building, Settings())
    assert found["households"].tolist() == [households]
    assert found["households_source"].tolist() == ["estimated"]


def test_known_figures_are_kept():
    found = estimate_households(house(households=72, use="office"), Settings())
    assert found[["households", "households_source"]].to_numpy().tolist() == [[72, "survey"]]


def test_floor_a_household_is_a_setting(monkeypatch):
    monkeypatch.setenv("GRIDATLAS_ESTIMATE_M2_PER_HOUSEHOLD", "50")
    assert estimate_households(house(storeys_above=6), Settings())["households"].tolist() == [24]
