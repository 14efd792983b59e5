"""Files that clerks upload in the browser: limits, privacy, dry run, import and approval."""

import io
import shutil
import stat
import time
import zipfile
from pathlib import Path

import pytest

from api.imports import quarantine, upload_files, uploads
from geo.settings import settings
from tests import accounts
from tests.api.conformance import hold_to_description
from tests.etl.delivery import houses, rows, write


@pytest.fixture(scope="module")
def importer(signed_in):
    client = signed_in("importer")
    hold_to_description(client)
    return client


@pytest.fixture(autouse=True)
def no_uploads_left():
    yield
    shutil.rmtree(settings().home / "uploads", ignore_errors=True)


def shapefile(folder: Path, data, without=(".cpg",)) -> bytes:
    """Return a zipped shapefile with Chinese headers and values in GBK."""
    folder.mkdir()
    write(data, folder / "楼栋.shp", encoding="GBK")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for part in sorted(folder.iterdir()):
            if part.suffix not in without:
                archive.write(part, part.name)
    return content.getvalue()


def chinese(count=12, **columns):
    data = houses(count, **columns)
    names = {"code": "楼栋编码", "name": "楼名", "households": "户数"}
    return data.rename(columns=names)


def post(client, content, name):
    return client.post(
        "/imports/uploads",
        params={"name": name},
        content=content,
        headers={"Content-Type": "application/octet-stream"},
    )


def send(client, content, name="楼栋.zip"):
    answer = post(client, content, name)
    assert answer.status_code == 201, answer.text
    return answer.json()


def proposal(preview, **options):
    """Return the mapping that a preview proposes."""
    columns = {
        target["name"]: {"source": target["source"], "unit": target["unit"]}
        for target in preview["targets"]
        if target["source"]
    }
    base = {"layer": preview["layer"], "source": preview["source"], "columns": columns}
    return base | options


def audit(town, upload):
    """Return what the audit trail says of an upload."""
    statement = (
        "SELECT action, actor FROM audit_event WHERE object_code = :upload "
        "OR detail ->> 'upload' = :upload ORDER BY id"
    )
    return rows(town, statement, upload=upload)


def test_gbk_shapefile_is_previewed_dry_run_and_published(importer, town, tmp_path):
    upload = send(importer, shapefile(tmp_path / "a", chinese()))
    preview = importer.get(f"/imports/uploads/{upload['id']}").json()
    assert (preview["layer"], preview["encoding"]) == ("building", "GB18030")
    assert preview["columns"][1] == {"name": "楼名", "samples": [f"{i}号楼" for i in range(5)]}
    columns = {target["name"]: target["source"] for target in preview["targets"]}
    assert (columns["code"], columns["households"]) == ("楼栋编码", "户数")
    asked = proposal(preview, source="clerk")
    asked["columns"]["name"] = {"source": "楼名"}
    before = rows(town, "SELECT count(*) FROM import_run")
    trial = importer.post(f"/imports/uploads/{upload['id']}/dry-run", json=asked)
    assert trial.status_code == 200, trial.text
    run = trial.json()
    assert run["counts"]["building"]["added"] == 12
    changes = run["report"]["differences"]["building"]
    assert changes[0]["values"]["name"] == [None, "0号楼"]
    assert rows(town, "SELECT count(*) FROM import_run") == before
    assert rows(town, "SELECT 1 FROM building WHERE source = 'clerk'") == []
    done = importer.post(f"/imports/uploads/{upload['id']}/import", json=asked)
    assert done.status_code == 200, done.text
    assert done.json()["status"] == "published"
    assert done.json()["uploaded_by"] == "importer"
    assert done.json()["file"] == "楼栋.zip"
    names = rows(town, "SELECT name FROM building WHERE source = 'clerk' ORDER BY code")
    assert names[3] == ("3号楼",)
    assert importer.get(f"/imports/uploads/{upload['id']}").status_code == 404
    assert not (settings().home / "uploads" / upload["id"]).exists()
    assert audit(town, upload["id"]) == [("upload", "importer"), ("import", "importer")]


def test_dry_run_tells_values_and_shapes_before_and_after(importer, tmp_path):
    for name, data in (("a", chinese()), ("b", chinese(name=["新名"] + ["x"] * 11))):
        upload = send(importer, shapefile(tmp_path / name, data))
        preview = importer.get(f"/imports/uploads/{upload['id']}").json()
        asked = proposal(preview, source="clerk")
        asked["columns"]["name"] = {"source": "楼名"}
        path = f"/imports/uploads/{upload['id']}"
        trial = importer.post(f"{path}/dry-run", json=asked).json()
        if name == "a":
            importer.post(f"{path}/import", json=asked).raise_for_status()
    first = trial["report"]["differences"]["building"][0]
    assert (first["code"], first["fate"]) == ("b000", "changed")
    assert first["values"] == {"name": ["0号楼", "新名"]}
    assert first["before"] is None
    assert trial["status"] == "held"
    assert importer.get(f"{path}/dry-run").json() == trial


def test_held_upload_is_approved_by_an_administrator_only(importer, signed_in, town, tmp_path):
    for name, count in (("a", 40), ("b", 20)):
        codes = [f"h{i:03d}" for i in range(count)]
        upload = send(importer, shapefile(tmp_path / name, chinese(count, code=codes)))
        path = f"/imports/uploads/{upload['id']}"
        asked = proposal(importer.get(path).json(), source="held")
        run = importer.post(f"{path}/import", json=asked).json()
    assert run["status"] == "held"
    approve = f"/imports/runs/{run['id']}/approve"
    refused = importer.post(approve)
    assert refused.status_code == 403
    assert "管理员" in refused.json()["detail"]
    assert signed_in("admin").post(approve).json()["status"] == "published"
    assert rows(town, "SELECT count(*) FROM building WHERE source = 'held'") == [(20,)]


def test_codes_of_another_source_are_said_with_what_to_do(importer, tmp_path):
    data = chinese(code=[f"e{i:03d}" for i in range(12)])
    upload = send(importer, shapefile(tmp_path / "a", data))
    path = f"/imports/uploads/{upload['id']}"
    asked = proposal(importer.get(path).json(), source="register office")
    importer.post(f"{path}/import", json=asked).raise_for_status()
    again = send(importer, shapefile(tmp_path / "b", data), "exported.zip")
    path = f"/imports/uploads/{again['id']}"
    preview = importer.get(path).json()
    assert preview["codes_of"] == "register office"
    assert {"name": "register office", "features": 12} in preview["sources"]
    refused = importer.post(f"{path}/dry-run", json=proposal(preview, source="other"))
    assert refused.status_code == 400
    detail = refused.json()["detail"]
    assert "register office" in detail
    assert "来源改为" in detail
    assert "--" not in detail
    assert importer.get(path).status_code == 200  # kept, to be corrected
    english = importer.post(
        f"{path}/dry-run",
        json=proposal(preview, source="other"),
        headers={"Accept-Language": "en"},
    )
    assert "change the source to “register office”" in english.json()["detail"]


def test_messages_name_neither_options_nor_paths(importer, tmp_path):
    data = chinese(code=[f"m{i:03d}" for i in range(12)])
    upload = send(importer, shapefile(tmp_path / "a", data, without=(".cpg", ".prj")))
    path = f"/imports/uploads/{upload['id']}"
    preview = importer.get(path).json()
    assert (preview["crs"], preview["likely_crs"]) == (None, "EPSG:4490")
    refused = importer.post(f"{path}/dry-run", json=proposal(preview)).json()["detail"]
    assert refused.startswith("楼栋.zip")
    assert "请在坐标系中选择" in refused
    without = proposal(preview, crs="EPSG:4490")
    del without["columns"]["code"]
    refused = importer.post(f"{path}/dry-run", json=without).json()["detail"]
    assert "编码列" in refused
    assert "gridatlas" not in refused
    asked = proposal(preview, crs="EPSG:4490")
    trial = importer.post(f"{path}/dry-run", json=asked)
    assert trial.json()["counts"]["building"]["added"] == 12


def test_rejected_features_are_explained_in_the_columns_of_people(importer, tmp_path):
    data = chinese(code=[f"r{i:03d}" for i in range(12)], households=[-1] + [3] * 11)
    upload = send(importer, shapefile(tmp_path / "a", data))
    path = f"/imports/uploads/{upload['id']}"
    asked = proposal(importer.get(path).json(), source="rejected")
    trial = importer.post(f"{path}/dry-run", json=asked).json()
    assert [one["said"] for one in trial["refused"]] == ["户数 = -1 不在 0 到 20000 之间。"]


@pytest.mark.parametrize(
    ("name", "content", "status", "words"),
    [
        ("a.exe", b"MZ", 400, "格式不受支持"),
        ("a.shp", b"\0\0\x27\x0a", 400, "zip"),
        ("a.csv", b"", 400, "空文件"),
        ("../../etc/passwd", b"x", 400, "格式不受支持"),
    ],
)
def test_what_is_no_data_set_is_refused(importer, name, content, status, words):
    answer = post(importer, content, name)
    assert answer.status_code == status
    assert words in answer.json()["detail"]
    assert list((settings().home / "uploads").glob("*")) == []


def test_size_and_number_are_limited(importer, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_UPLOAD_BYTES", 1000)
    answer = post(importer, b"x" * 1001, "a.csv")
    assert answer.status_code == 413
    beyond = post(importer, b"x" * (66 * 2**20), "a.csv")
    assert beyond.status_code == 413
    assert list((settings().home / "uploads").glob("*")) == []
    monkeypatch.setattr(uploads, "MAX_UPLOADS", 1)
    send(importer, b"code\n1\n", "a.csv")
    answer = post(importer, b"code\n1\n", "a.csv")
    assert answer.status_code == 409
    assert quarantine.MAX_UPLOAD_BYTES == 64 * 2**20


def test_uploads_are_private_and_expire(importer, signed_in, town):
    upload = send(importer, b"code,lon,lat\n1,112.1,32\n", "..\\.\\a\x01.csv")
    assert upload["name"] == "a.csv"
    folder = settings().home / "uploads" / upload["id"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "file" / "a.csv").stat().st_mode) == 0o600
    with town.begin() as connection:
        accounts.add(connection, "colleague", "importer")
    path = f"/imports/uploads/{upload['id']}"
    assert signed_in("colleague").get(path).status_code == 404
    assert signed_in("planner").get(path).status_code == 403
    assert signed_in("admin").get(path).status_code == 200
    assert importer.get(path).status_code == 200
    assert importer.delete(path).status_code == 204
    assert not folder.exists()
    assert audit(town, upload["id"]) == [("upload", "importer"), ("delete", "importer")]

    old = send(importer, b"code,lon,lat\n1,112.1,32\n", "a.csv")
    description = settings().home / "uploads" / old["id"] / "upload.json"
    text = description.read_text(encoding="utf-8")
    past = str(time.time() - 3600 * (settings().upload_hours + 1))
    at = text.index('"uploaded_at": ') + len('"uploaded_at": ')
    description.write_text(text[:at] + past + "}", encoding="utf-8")
    assert importer.get(f"/imports/uploads/{old['id']}").status_code == 404
    upload_files.delete_expired_uploads()
    assert list((settings().home / "uploads").iterdir()) == []


def test_file_that_opens_others_is_read_in_confinement(importer, tmp_path):
    vrt = b"<OGRVRTDataSource><OGRVRTLayer name='passwd'/></OGRVRTDataSource>"
    upload = send(importer, vrt, "a.gpkg")
    answer = importer.get(f"/imports/uploads/{upload['id']}")
    assert answer.status_code == 400
    assert "/" not in answer.json()["detail"].replace("a.gpkg", "")
