-- A database for Gridatlas whose owner is no superuser. An administrator of the server runs once:
--   psql -d postgres -v owner=gridatlas -v database=gridatlas -f deploy/owner.sql
-- and then gives both roles that sign in a password:
--   ALTER ROLE gridatlas PASSWORD '...'; ALTER ROLE gridatlas_api PASSWORD '...';
\set ON_ERROR_STOP on

CREATE ROLE :"owner" LOGIN;
CREATE DATABASE :"database" OWNER :"owner" ENCODING 'UTF8' TEMPLATE template0;

-- The roles between which the API switches, and the role with which it signs in.
CREATE ROLE gridatlas_public NOLOGIN NOINHERIT;
CREATE ROLE gridatlas_planner NOLOGIN NOINHERIT;
CREATE ROLE gridatlas_fire NOLOGIN NOINHERIT;
CREATE ROLE gridatlas_utility NOLOGIN NOINHERIT;
CREATE ROLE gridatlas_importer NOLOGIN NOINHERIT;
CREATE ROLE gridatlas_grid_manager NOLOGIN NOINHERIT;
CREATE ROLE gridatlas_office NOLOGIN NOINHERIT;
CREATE ROLE gridatlas_admin NOLOGIN NOINHERIT;
CREATE ROLE gridatlas_keeper NOLOGIN NOINHERIT;
CREATE ROLE gridatlas_publisher NOLOGIN NOINHERIT;
CREATE ROLE gridatlas_api LOGIN NOINHERIT;
GRANT gridatlas_public, gridatlas_planner, gridatlas_fire, gridatlas_utility, gridatlas_importer,
    gridatlas_grid_manager, gridatlas_office, gridatlas_admin, gridatlas_keeper TO gridatlas_api;
GRANT gridatlas_publisher TO :"owner";

\connect :"database"
CREATE EXTENSION postgis;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION btree_gist;
