"""Domain and analysis of Gridatlas: tables, coordinates, grids, networks, fire rules."""

import os

# GDAL reads these when it is first loaded, so they are set in the package that all others import
# first. They are a second line of defence: delivered files are read only by etl.input.sandbox, with
# the one driver of their suffix. Skipped are drivers that open other files, addresses or programs
# which a file names, and drivers that are not used.
_SKIPPED_DRIVERS = (
    "ADBC,AIVector,AVCBin,AVCE00,AmigoCloud,CSW,Carto,DGN,EDIGEO,EEDA,ESRIJSON,Elasticsearch,GDALG,"
    "GML,GPSBabel,GPX,GTFS,GeoRSS,HTTP,Idrisi,JML,JSONFG,LVBAG,MBTiles,MapML,MiraMonVector,NGW,"
    "OAPIF,ODS,OGCAPI,OGR_GMT,OGR_PDS,OGR_VRT,OSM,PCIDSK,PDF,PDS4,PGDUMP,PLSCENES,PMTiles,S57,SQLite,"
    "SXF,Selafin,TopoJSON,VDV,VFK,VICAR,WAsP,WFS"
)
os.environ.update(
    GDAL_SKIP=_SKIPPED_DRIVERS,
    CPL_VSIL_CURL_ALLOWED_FILENAME="/",  # /vsicurl/ and similar open nothing
    GDAL_HTTP_PROXY="127.0.0.1:9",
    OGR_SQLITE_ALLOW_EXTERNAL_ACCESS="NO",
    ALLOW_OGR_SQL_FUNCTIONS_FROM_TRIGGER_AND_VIEW="NO",
    OGR_SQLITE_LOAD_EXTENSIONS="",
    PROJ_NETWORK="OFF",
)
