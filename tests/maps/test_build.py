"""The build of the page: once, from the lock, with no registry named."""

import json

import pytest

from geo.errors import SetupError
from maps import build


def test_unchanged_sources_are_not_built_again():
    folder = build.build()
    stamp = (folder / "stamp").stat().st_mtime_ns
    build.build()
    assert (folder / "stamp").stat().st_mtime_ns == stamp


def test_lock_names_no_registry_and_every_package_has_its_hash():
    lock = json.loads((build.WEB / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert len(packages) > 30
    for name, entry in packages.items():
        assert "resolved" not in entry, name
        assert entry["integrity"].startswith("sha512-"), name


def test_build_installs_neither_type_checker_nor_linter_nor_test_runner():
    lock = json.loads((build.WEB / "package-lock.json").read_text(encoding="utf-8"))
    development = {name for name, entry in lock["packages"].items() if entry.get("dev")}
    tools = ("typescript", "@biomejs/biome", "vitest", "openapi-typescript")
    assert development >= {f"node_modules/{name}" for name in tools}
    assert not development & {"node_modules/vite", "node_modules/openapi-fetch"}


def test_build_failure_reports_the_error_output(tmp_path):
    script = tmp_path / "fails.js"
    script.write_text("console.error('npm warn aside'); console.error('bad'); process.exit(3)")
    with pytest.raises(SetupError) as failure:
        build.run_node("a task", script)
    assert "a task" in str(failure.value)
    assert "bad" in str(failure.value)
    assert "aside" not in str(failure.value)


def test_unbuilt_page_error_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "DIST", tmp_path / "dist")
    with pytest.raises(SetupError, match=r"maps\.build"):
        build.dist_folder()
