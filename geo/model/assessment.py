"""Assessment: what was measured of each grid in a month, frozen when the month is closed."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Date, DateTime, ForeignKey, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from geo.model.base import Base


class AssessmentMonth(Base):
    """A closed month (its first day) with the indicators in force then."""

    __tablename__ = "assessment_month"

    month: Mapped[date] = mapped_column(Date, primary_key=True)
    indicators: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    frozen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (CheckConstraint("extract(day FROM month) = 1", name="month_first_day"),)


class AssessmentMeasure(Base):
    """A figure of a grid in a closed month, or of a community where there is no grid."""

    __tablename__ = "assessment_measure"

    month: Mapped[date] = mapped_column(
        Date, ForeignKey("assessment_month.month", ondelete="CASCADE"), primary_key=True
    )
    area_code: Mapped[str] = mapped_column(Text, primary_key=True)
    measure: Mapped[str] = mapped_column(Text, primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        CheckConstraint("area_code ~ '^([0-9]{12}|[0-9]{15})$'", name="area_code_digits"),
    )
