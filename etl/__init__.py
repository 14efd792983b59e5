"""Files in: readers, repair, checks, publish, the sample city."""

import os

# GDAL chooses a driver by a file's contents. Left out are those that would open other files,
# addresses or programs which a file names (VRT, GDALG, HTTP, WFS, GPSBabel, ADBC, ...), and those
# that nobody here reads. GDAL looks at this when pyogrio is first imported.
os.environ.setdefault(
    "GDAL_SKIP",
    "ADBC,AIVector,AVCBin,AVCE00,AmigoCloud,CSW,Carto,DGN,EDIGEO,EEDA,ESRIJSON,Elasticsearch,GDALG,"
    "GML,GPSBabel,GPX,GTFS,GeoRSS,HTTP,Idrisi,JML,JSONFG,LVBAG,MBTiles,MapML,MiraMonVector,NGW,"
    "OAPIF,ODS,OGCAPI,OGR_GMT,OGR_PDS,OGR_VRT,OSM,PCIDSK,PDF,PDS4,PGDUMP,PLSCENES,PMTiles,S57,SQLite,"
    "SXF,Selafin,TopoJSON,VDV,VFK,VICAR,WAsP,WFS",
)
