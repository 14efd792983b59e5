"""The catalogue has what imports say, and nothing that they don't."""

from pathlib import Path

import etl
from geo.messages import catalogue


def test_every_reason_repair_and_concern_has_its_texts():
    texts = catalogue("en")
    source = "".join(file.read_text() for file in Path(etl.__file__).parent.rglob("*.py"))
    for section in ("repair", "guard", "status", "step"):
        assert any(key.startswith(f"{section}.") for key in texts)
    for key in [key for key in texts if key.startswith("quarantine.")]:
        name = key.removeprefix("quarantine.").removesuffix("_detail")
        assert name in source, key
