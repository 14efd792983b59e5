"""Check the front end: ``python -m tests.frontend`` runs Biome, TypeScript and Vitest.

``python -m tests.frontend --write`` also formats it.

The types of the API's responses are generated first from its OpenAPI description, without a server
or a database.
"""

import json
import sys

from sqlalchemy import create_engine

from api.app import create_app
from maps.build import WEB, call_node, install_tools, run_node

MODULES = WEB / "node_modules"
CHECKS = (
    ("@biomejs/biome/bin/biome", "check", "--error-on-warnings"),
    ("typescript/bin/tsc", "--noEmit"),
    ("vitest/vitest.mjs", "run"),
)


def generate_types() -> None:
    """Write ``generated/api.d.ts``: the types of the requests and answers of the API."""
    app = create_app(create_engine("postgresql+psycopg://"))
    folder = WEB / "generated"
    folder.mkdir(exist_ok=True)
    described = folder / "openapi.json"
    described.write_text(json.dumps(app.openapi()), encoding="utf-8")
    run_node(
        "openapi-typescript",
        MODULES / "openapi-typescript" / "bin" / "cli.js",
        described,
        "--output",
        folder / "api.d.ts",
        "--default-non-nullable",
        "false",
    )


def check(*options: str) -> bool:
    """Run every check; return whether all passed. Findings are printed.

    With ``--write`` Biome also formats the code and applies its fixes.
    """
    install_tools()
    generate_types()
    (biome, *words), *others = CHECKS
    checks = ((biome, *words, *options), *others)
    return all(call_node(MODULES / script, *args).returncode == 0 for script, *args in checks)


if __name__ == "__main__":
    raise SystemExit(not check(*sys.argv[1:]))
