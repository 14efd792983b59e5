"""Responses of ``/fire/reviews`` and ``/fire/inspections``."""

from datetime import date
from typing import Literal

from api.core.responses import StrictModel


class ReviewResponse(StrictModel):
    """The review of a building's sheet."""

    building: str
    state: Literal["draft", "checked", "due"]
    checker: str
    checked_on: date | None
    due_on: date | None
    note: str


class ListedReview(ReviewResponse):
    """A review with the name of its building."""

    name: str


class ReviewsResponse(StrictModel):
    """A page of reviews."""

    reviews: list[ListedReview]
    numberMatched: int  # noqa: N815
    numberReturned: int  # noqa: N815
    offset: int


class InspectionResponse(StrictModel):
    """An inspection of a hydrant."""

    id: int
    hydrant: str
    passed: bool
    reason: str
    flow_l_s: float | None
    inspector: str
    inspected_on: date
    due_on: date | None


class InspectionsResponse(StrictModel):
    """A page of inspections."""

    inspections: list[InspectionResponse]
    numberMatched: int  # noqa: N815
    numberReturned: int  # noqa: N815
    offset: int
