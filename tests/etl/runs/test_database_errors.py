"""What the database refuses is told with its reason, and not as a lost connection."""

import pytest
from sqlalchemy import text

from geo.errors import GridatlasError, InputError
from tests.etl.delivery import bring, houses, rows, write

pytestmark = pytest.mark.usefixtures("english")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "ADD CONSTRAINT two_signs CHECK (name <> '2号楼')",
            "the row (b002, 2号楼, ",
        ),
        (
            "ADD CONSTRAINT two_signs CHECK (name <> '2号楼')",
            "breaks the rule two_signs. Correct it",
        ),
        ("ALTER structure SET NOT NULL", "structure is empty in the row (b000, 0号楼, "),
        ("ADD UNIQUE (use)", "use = mixed is there already"),
        ("DROP COLUMN households", "refused a statement: column "),
        ("ADD CHECK (1 / (length(name) - 3) < 2)", "refused a value: division by zero"),
    ],
)
def test_refused_row_is_told_with_rule_and_values(database, tmp_path, change, said):
    data = houses(3, use=["mixed", "mixed", "office"], structure=[None] * 3)
    with database.begin() as connection:
        connection.execute(text(f"ALTER TABLE building {change}"))
    with pytest.raises(GridatlasError) as refused:
        bring(database, "building", write(data, tmp_path / "a.gpkg"))
    assert said in refused.value.message("en")
    assert "connection" not in refused.value.message("en")
    status = "rejected" if isinstance(refused.value, InputError) else "failed"
    assert rows(database, "SELECT status FROM import_run") == [(status,)]
    assert rows(database, "SELECT count(*) FROM building") == [(0,)]
