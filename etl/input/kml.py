"""KML in the form of which GDAL reads every attribute.

GDAL's LIBKML replaces each character of the names of untyped data (``<Data name="户数">``) that is
not ASCII by underscores, which makes one field of several, and parses no GBK. So the extended data
of all placemarks are written as fields of one schema, into a copy in UTF-8.
"""

import re
from pathlib import Path
from xml.etree import ElementTree

from etl.input.encoding import detect_encoding
from etl.input.formats import KML_OWN_FIELDS, KML_STYLE_FIELDS
from geo.errors import InputError

_NAMESPACE = "http://www.opengis.net/kml/2.2"
_DECLARATION = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.-]+)["'][^>]*\?>""")
_UTF8 = ("utf-8", "utf8", "us-ascii", "ascii")
_SCHEMA = "fields"
_RESERVED_NAMES = frozenset(name.lower() for name in (*KML_OWN_FIELDS, *KML_STYLE_FIELDS))
"""Names that an extended field can't have, because GDAL makes fields of a placemark of them."""


def normalize_kml(path: Path, folder: Path) -> Path:
    """Return a file with the content of a KML file that GDAL reads whole, itself if it is one.

    Raises
    ------
    InputError
        If it is no XML, or in an encoding that is not known.
    """
    content = path.read_bytes()
    declared = _DECLARATION.match(content.removeprefix(b"\xef\xbb\xbf"))
    encoding = declared[1].decode().lower() if declared else ""
    if encoding in ("", *_UTF8) and b"ExtendedData" not in content and _is_utf8(content):
        return path
    try:
        text = content.decode(_codec(encoding, content))
        root = ElementTree.fromstring(re.sub(r"^\ufeff?\s*<\?xml.*?\?>", "", text))  # noqa: S314 -- entities are refused before
    except (ElementTree.ParseError, UnicodeDecodeError, LookupError) as error:
        raise InputError("file_unreadable", file=path, format=path.suffix) from error
    ElementTree.register_namespace("", _NAMESPACE)
    _write_fields(root)
    copy = folder / path.name
    ElementTree.ElementTree(root).write(copy, encoding="utf-8", xml_declaration=True)
    return copy


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _codec(declared: str, content: bytes) -> str:
    """Return the encoding of a file: UTF-8 if it is valid, else the declared or the likely one."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if _is_utf8(content):
        return "utf-8-sig"
    if declared in ("gbk", "gb2312", "gb18030"):
        return "gb18030"
    return detect_encoding([content]) if declared in ("", *_UTF8) else declared


def _write_fields(root: ElementTree.Element) -> None:
    """Write the extended data of all placemarks as fields of one schema."""
    for element in root.iter():
        element.tag = (
            element.tag if element.tag.startswith("{") else f"{{{_NAMESPACE}}}{element.tag}"
        )
    namespace = root.tag.partition("}")[0].removeprefix("{")
    names: dict[str, None] = {}
    for placemark in root.iter(f"{{{namespace}}}Placemark"):
        values: dict[str, str] = {}
        for extended in [child for child in placemark if _local_name(child) == "ExtendedData"]:
            values = _extended_data(extended) | values
            placemark.remove(extended)
        names |= dict.fromkeys(values)
        if values:
            data = ElementTree.SubElement(placemark, f"{{{namespace}}}ExtendedData")
            fields = ElementTree.SubElement(
                data, f"{{{namespace}}}SchemaData", schemaUrl=f"#{_SCHEMA}"
            )
            for name, value in values.items():
                ElementTree.SubElement(fields, f"{{{namespace}}}SimpleData", name=name).text = value
    document = next(root.iter(f"{{{namespace}}}Document"), root)
    for schema in [child for child in document if _local_name(child) == "Schema"]:
        document.remove(schema)
    schema = ElementTree.Element(f"{{{namespace}}}Schema", name=_SCHEMA, id=_SCHEMA)
    for name in names:
        ElementTree.SubElement(schema, f"{{{namespace}}}SimpleField", type="string", name=name)
    document.insert(0, schema)


def _extended_data(extended: ElementTree.Element) -> dict[str, str]:
    """Return the values of a placemark's extended data: typed, untyped, or elements of its own."""
    values: dict[str, str] = {}
    for element in extended.iter():
        if _local_name(element) == "Data":
            value = next((child.text for child in element if _local_name(child) == "value"), None)
        elif _local_name(element) == "SimpleData" or _is_other_leaf(element):
            value = element.text
        else:
            continue
        name = (element.get("name") or _local_name(element)).strip()
        if name.lower() in _RESERVED_NAMES:
            name = f"{name}_1"
        if value is not None and value.strip():
            values.setdefault(name, value.strip())
    return values


def _is_other_leaf(element: ElementTree.Element) -> bool:
    words = ("ExtendedData", "SchemaData", "value", "displayName")
    return len(element) == 0 and _local_name(element) not in words


def _local_name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
