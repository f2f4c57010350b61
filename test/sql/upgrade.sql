-- Every release can be updated to the newest, keeps its models, and ends with the objects of a new installation.
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
SELECT source, target, path FROM pg_extension_update_paths('lepton') WHERE path IS NOT NULL ORDER BY 1, 2;
SELECT current_database() AS back \gset
CREATE DATABASE lepton_upgrade;
\c lepton_upgrade
CREATE SCHEMA models;
CREATE EXTENSION lepton SCHEMA models VERSION '0.1.0';
SET search_path = models, public;
SELECT name FROM lepton_load_model('tiny', :'tiny');
CREATE TABLE kept AS SELECT lepton_embed('a', 'tiny') AS e;
-- Objects, without the row types that some servers list too.
PREPARE objects AS SELECT pg_describe_object(classid, objid, objsubid) COLLATE "C" AS object FROM pg_depend
	WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' AND classid <> 'pg_type'::regclass
	AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'lepton') ORDER BY 1;
EXECUTE objects;
ALTER EXTENSION lepton UPDATE TO '0.2.0';
EXECUTE objects;
SELECT count(*) > 0 AS graph FROM lepton_graph('tiny');
ALTER EXTENSION lepton UPDATE TO '0.3.0';
EXECUTE objects;
ALTER EXTENSION lepton UPDATE TO '0.4.0';
EXECUTE objects;
ALTER EXTENSION lepton UPDATE TO '0.5.0';
EXECUTE objects;
SELECT name, task, tasks, "default", default_for FROM lepton_models;
SELECT count(stored) > 0 AS graph FROM lepton_graph('tiny');
SELECT e = lepton_embed('a', 'tiny') AS same, lepton_verify('tiny') FROM kept;
CREATE TEMP TABLE walked AS
	SELECT pg_describe_object(classid, objid, objsubid) AS o FROM pg_depend
	WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'lepton');
CREATE TEMP TABLE walked_functions AS
	SELECT oid::regprocedure::text AS f, prosrc, provolatile, proparallel, proisstrict, procost, prorows, proacl::text FROM pg_proc
	WHERE pronamespace IN ('models'::regnamespace, '_lepton'::regnamespace);
DROP EXTENSION lepton CASCADE;
SELECT count(*) FROM pg_namespace WHERE nspname = '_lepton';
CREATE EXTENSION lepton SCHEMA models;
SELECT extversion = (SELECT default_version FROM pg_available_extensions WHERE name = 'lepton') AS newest FROM pg_extension WHERE extname = 'lepton';
(SELECT 'only walked', o FROM walked EXCEPT SELECT 'only walked', pg_describe_object(classid, objid, objsubid) FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'lepton'))
UNION ALL
(SELECT 'only new', pg_describe_object(classid, objid, objsubid) FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'lepton') EXCEPT SELECT 'only new', o FROM walked);
SELECT * FROM walked_functions EXCEPT
	SELECT oid::regprocedure::text AS f, prosrc, provolatile, proparallel, proisstrict, procost, prorows, proacl::text FROM pg_proc
	WHERE pronamespace IN ('models'::regnamespace, '_lepton'::regnamespace);
-- Every function says what it may do, and has a comment.
SELECT oid::regprocedure FROM pg_proc p WHERE pronamespace IN ('models'::regnamespace, '_lepton'::regnamespace)
	AND (obj_description(oid, 'pg_proc') IS NULL OR proparallel = 's' AND provolatile = 'v' OR (prosecdef AND proconfig IS NULL));
-- The schema is the user's choice; the extension does not move later.
ALTER EXTENSION lepton SET SCHEMA public;
SELECT lepton_embed('a');
\c :back
DROP DATABASE lepton_upgrade;
