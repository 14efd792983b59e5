"""The ranking of a month's assessment as a workbook and as a PDF."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime

from openpyxl import Workbook

from geo.casework.assessment import AreaFigures
from geo.casework.indicators import Indicator
from geo.clock import format_time
from geo.messages import Language, text
from maps.paper.assignment import text_cell
from maps.paper.pdf import compile_pdf


def assessment_workbook(
    month: str,
    frozen_at: datetime | None,
    indicators: Sequence[Indicator],
    areas: Sequence[AreaFigures],
    lang: Language,
) -> bytes:
    """Return a workbook: the ranking, what was measured, and the formulas of the indicators."""
    book = Workbook(write_only=True)
    ranking = book.create_sheet(text("assessment.ranking", lang=lang))
    ranking.append([text_cell(ranking, _state_text(month, frozen_at, lang))])
    ranking.append([text_cell(ranking, word, bold=True) for word in _header(indicators, lang)])
    ranking.freeze_panes = "A3"
    for area in areas:
        code, name = text_cell(ranking, area.code), text_cell(ranking, area.name)
        values = (area.values[indicator.key] for indicator in indicators)
        ranking.append(
            [area.rank, code, name, _round_value(area.score), *map(_round_value, values)]
        )
    measures = list(dict.fromkeys(name for area in areas for name in area.measures))
    measured = book.create_sheet(text("assessment.measures", lang=lang))
    names = [text(f"assessment_measure.{name}", lang=lang) for name in measures]
    header = [text("assessment.code", lang=lang), text("assessment.area", lang=lang), *names]
    measured.append([text_cell(measured, word, bold=True) for word in header])
    for area in areas:
        counts = (area.measures.get(name, 0) for name in measures)
        measured.append([text_cell(measured, area.code), text_cell(measured, area.name), *counts])
    formulas = book.create_sheet(text("assessment.formulas", lang=lang))
    for line in _formula_rows(indicators, lang):
        formulas.append([text_cell(formulas, word) for word in line])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def assessment_pdf(
    month: str,
    frozen_at: datetime | None,
    indicators: Sequence[Indicator],
    areas: Sequence[AreaFigures],
    lang: Language,
) -> bytes:
    """Return the ranking for printing on A4, with the formulas below."""
    rows = [
        [
            str(area.rank or "–"),
            area.name,
            _decimal(area.score),
            *(_decimal(area.values[indicator.key], indicator.unit) for indicator in indicators),
        ]
        for area in areas
    ]
    header = _header(indicators, lang)
    title = text("assessment.title", lang=lang, month=month)
    data = {
        "lang": lang,
        "title": title,
        "state": _state_text(month, frozen_at, lang),
        "header": [header[0], *header[2:]],
        "rows": rows,
        "formulas": list(_formula_rows(indicators, lang)),
        "words": {"formulas": text("assessment.formulas", lang=lang)},
    }
    return compile_pdf("assessment", data, {}, frozen_at or datetime.now(UTC))


def _state_text(month: str, frozen_at: datetime | None, lang: Language) -> str:
    """Return which month it is, and whether its figures may still change."""
    if frozen_at is None:
        return text("assessment.open", lang=lang, month=month)
    return text("assessment.closed", lang=lang, month=month, time=format_time(frozen_at))


def _header(indicators: Sequence[Indicator], lang: Language) -> list[str]:
    columns = ("rank", "code", "area", "score")
    names = [text(f"assessment.{name}", lang=lang) for name in columns]
    return names + [f"{indicator.text(lang)}{_unit(indicator.unit)}" for indicator in indicators]


def _unit(unit: str) -> str:
    return " (%)" if unit == "percent" else ""


def _formula_rows(indicators: Sequence[Indicator], lang: Language) -> list[list[str]]:
    """Return name, formula, weight and standard of each indicator."""
    return [
        [indicator.text(lang), _formula(indicator, lang), f"{indicator.weight:g}", indicator.source]
        for indicator in indicators
    ]


def _formula(indicator: Indicator, lang: Language) -> str:
    parts = filter(None, (indicator.numerator, indicator.denominator))
    return " ÷ ".join(text(f"assessment_measure.{name}", lang=lang) for name in parts)


def _round_value(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _decimal(value: float | None, unit: str = "percent") -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if unit == "count" else f"{value:.1f}"
