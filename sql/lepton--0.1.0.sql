\echo Use "CREATE EXTENSION lepton" to load this file. \quit

SET LOCAL search_path = pg_catalog, pg_temp;

-- Catalog ------------------------------------------------------------------
--
-- The schema's name sorts before all common ones: pg_dump restores the data
-- of tables in the order of their schemas, and a table with a generated column
-- needs its model first.

CREATE SCHEMA _lepton;

-- A role by OID, as regrole, but one that does not exist reads as a role that
-- nobody has: a dump can be restored where the owner of a model is missing.

CREATE TYPE _lepton.role;
CREATE FUNCTION _lepton.role_in(cstring) RETURNS _lepton.role
	AS 'MODULE_PATHNAME', 'lepton_role_in' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION _lepton.role_out(_lepton.role) RETURNS cstring
	AS 'MODULE_PATHNAME', 'lepton_role_out' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE TYPE _lepton.role (INPUT = _lepton.role_in, OUTPUT = _lepton.role_out, LIKE = oid);
CREATE CAST (_lepton.role AS oid) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (_lepton.role AS regrole) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (regrole AS _lepton.role) WITHOUT FUNCTION AS ASSIGNMENT;
COMMENT ON TYPE _lepton.role IS 'role that owns or may use a model';
COMMENT ON FUNCTION _lepton.role_in(cstring) IS 'I/O';
COMMENT ON FUNCTION _lepton.role_out(_lepton.role) IS 'I/O';
COMMENT ON CAST (_lepton.role AS oid) IS 'same bits';
COMMENT ON CAST (_lepton.role AS regrole) IS 'same bits';
COMMENT ON CAST (regrole AS _lepton.role) IS 'same bits';

CREATE TABLE _lepton.lepton_model (
	id uuid PRIMARY KEY,
	name name NOT NULL UNIQUE,
	owner _lepton.role NOT NULL,
	users _lepton.role[] NOT NULL DEFAULT '{}',
	task text NOT NULL COLLATE "C",
	is_default boolean NOT NULL DEFAULT false,
	parent uuid, -- no foreign key: pg_dump warns of a table that refers to itself
	recipe text,
	hash bytea NOT NULL CHECK (octet_length(hash) = 32),
	family text NOT NULL,
	"precision" text NOT NULL,
	dims integer,
	max_tokens integer NOT NULL,
	labels text[],
	parameters bigint NOT NULL,
	bytes bigint NOT NULL,
	loaded_at timestamptz NOT NULL
);

CREATE UNIQUE INDEX lepton_model_default ON _lepton.lepton_model (task) WHERE is_default;
CREATE INDEX lepton_model_parent ON _lepton.lepton_model (parent);

CREATE TABLE _lepton.lepton_model_chunk (
	model uuid NOT NULL REFERENCES _lepton.lepton_model ON DELETE CASCADE,
	path text NOT NULL COLLATE "C",
	part integer NOT NULL,
	data bytea NOT NULL,
	PRIMARY KEY (model, path, part)
);

ALTER TABLE _lepton.lepton_model_chunk ALTER COLUMN data SET STORAGE EXTERNAL;

SELECT pg_extension_config_dump('_lepton.lepton_model', '');
SELECT pg_extension_config_dump('_lepton.lepton_model_chunk', '');

COMMENT ON SCHEMA _lepton IS 'catalog of lepton';
COMMENT ON TABLE _lepton.lepton_model IS 'one row per model; change it through the lepton_* functions only';
COMMENT ON TABLE _lepton.lepton_model_chunk IS 'the files of the models as they were loaded, in parts';

CREATE FUNCTION _lepton.forget_models() RETURNS trigger
	AS 'MODULE_PATHNAME', 'lepton_forget_models' LANGUAGE C;
COMMENT ON FUNCTION _lepton.forget_models() IS 'tells every session that models have changed';

CREATE TRIGGER lepton_model_changed AFTER INSERT OR UPDATE OR DELETE ON _lepton.lepton_model
	FOR EACH ROW EXECUTE FUNCTION _lepton.forget_models();
ALTER TABLE _lepton.lepton_model ENABLE ALWAYS TRIGGER lepton_model_changed;

-- Models -------------------------------------------------------------------

CREATE VIEW @extschema@.lepton_models AS
	SELECT m.name, m.task, m.family, m."precision", m.dims, m.max_tokens, m.labels, m.parameters,
		m.bytes, p.name AS parent, m.recipe, m.owner::regrole AS owner, m.users::regrole[] AS users, m.loaded_at, m.is_default AS "default"
	FROM _lepton.lepton_model m LEFT JOIN _lepton.lepton_model p ON p.id OPERATOR(pg_catalog.=) m.parent;
GRANT SELECT ON @extschema@.lepton_models TO PUBLIC;
COMMENT ON VIEW @extschema@.lepton_models IS 'models of this database';

CREATE FUNCTION @extschema@.lepton_load_model(name text, path text) RETURNS @extschema@.lepton_models
	AS 'MODULE_PATHNAME', 'lepton_load_model_path' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.lepton_load_model(text, text) IS 'load a Hugging Face folder from the disk of the server';

CREATE FUNCTION @extschema@.lepton_load_model(name text, files regclass) RETURNS @extschema@.lepton_models
	AS 'MODULE_PATHNAME', 'lepton_load_model_table' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.lepton_load_model(text, regclass) IS 'load a model from a table (path text, part int, data bytea)';

CREATE FUNCTION @extschema@.lepton_drop_model(name text, "cascade" boolean DEFAULT false) RETURNS void
	AS 'MODULE_PATHNAME', 'lepton_drop_model' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.lepton_drop_model(text, boolean) IS 'drop a model';

CREATE FUNCTION @extschema@.lepton_rename_model(name text, new_name text) RETURNS void
	AS 'MODULE_PATHNAME', 'lepton_rename_model' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.lepton_rename_model(text, text) IS 'rename a model';

CREATE FUNCTION @extschema@.lepton_set_default(name text) RETURNS void
	AS 'MODULE_PATHNAME', 'lepton_set_default' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.lepton_set_default(text) IS 'make a model the default of its task';

CREATE FUNCTION @extschema@.lepton_grant(name text, role regrole) RETURNS void
	AS 'MODULE_PATHNAME', 'lepton_grant' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.lepton_grant(text, regrole) IS 'let a role use a model';

CREATE FUNCTION @extschema@.lepton_revoke(name text, role regrole) RETURNS void
	AS 'MODULE_PATHNAME', 'lepton_revoke' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.lepton_revoke(text, regrole) IS 'stop a role from using a model';

CREATE FUNCTION @extschema@.lepton_verify(name text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'lepton_verify' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.lepton_verify(text) IS 'recompute the content hash of a model, and check its image';

CREATE FUNCTION @extschema@.lepton_graph(model text)
	RETURNS TABLE (step integer, op text, name text, shape text, "precision" text, segment text, bytes bigint,
		scratch bigint)
	AS 'MODULE_PATHNAME', 'lepton_graph' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.lepton_graph(text) IS 'operators of a model';

-- Tasks --------------------------------------------------------------------
--
-- Without a model: STABLE, the default model of the task.  With one: IMMUTABLE, since a
-- model never changes under its name.

CREATE FUNCTION @extschema@.lepton_embed(input text) RETURNS real[]
	AS 'MODULE_PATHNAME', 'lepton_embed' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION @extschema@.lepton_embed(text) IS 'embed a text with the default model';

CREATE FUNCTION @extschema@.lepton_embed(input text, model text) RETURNS real[]
	AS 'MODULE_PATHNAME', 'lepton_embed' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION @extschema@.lepton_embed(text, text) IS 'embed a text';

CREATE FUNCTION @extschema@.lepton_embed(inputs text[]) RETURNS real[]
	AS 'MODULE_PATHNAME', 'lepton_embed_array' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION @extschema@.lepton_embed(text[]) IS 'embed texts with the default model: one row per text';

CREATE FUNCTION @extschema@.lepton_embed(inputs text[], model text) RETURNS real[]
	AS 'MODULE_PATHNAME', 'lepton_embed_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION @extschema@.lepton_embed(text[], text) IS 'embed texts: one row per text';

CREATE FUNCTION @extschema@.lepton_classify(input text) RETURNS text
	AS 'MODULE_PATHNAME', 'lepton_classify' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION @extschema@.lepton_classify(text) IS 'best label of a text with the default model';

CREATE FUNCTION @extschema@.lepton_classify(input text, model text) RETURNS text
	AS 'MODULE_PATHNAME', 'lepton_classify' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION @extschema@.lepton_classify(text, text) IS 'best label of a text';

CREATE FUNCTION @extschema@.lepton_classify(inputs text[]) RETURNS text[]
	AS 'MODULE_PATHNAME', 'lepton_classify_array' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION @extschema@.lepton_classify(text[]) IS 'best label of each text with the default model';

CREATE FUNCTION @extschema@.lepton_classify(inputs text[], model text) RETURNS text[]
	AS 'MODULE_PATHNAME', 'lepton_classify_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION @extschema@.lepton_classify(text[], text) IS 'best label of each text';

CREATE FUNCTION @extschema@.lepton_classify_scores(input text) RETURNS TABLE (label text, score real)
	AS 'MODULE_PATHNAME', 'lepton_classify_scores' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000 ROWS 10;
COMMENT ON FUNCTION @extschema@.lepton_classify_scores(text) IS 'labels of a text with their scores, best first, with the default model';

CREATE FUNCTION @extschema@.lepton_classify_scores(input text, model text) RETURNS TABLE (label text, score real)
	AS 'MODULE_PATHNAME', 'lepton_classify_scores' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 ROWS 10;
COMMENT ON FUNCTION @extschema@.lepton_classify_scores(text, text) IS 'labels of a text with their scores, best first';

CREATE FUNCTION @extschema@.lepton_classify_scores(inputs text[]) RETURNS TABLE (input integer, label text, score real)
	AS 'MODULE_PATHNAME', 'lepton_classify_scores_array' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10000 ROWS 100;
COMMENT ON FUNCTION @extschema@.lepton_classify_scores(text[]) IS 'labels of each text with their scores, best first, with the default model';

CREATE FUNCTION @extschema@.lepton_classify_scores(inputs text[], model text) RETURNS TABLE (input integer, label text, score real)
	AS 'MODULE_PATHNAME', 'lepton_classify_scores_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000 ROWS 100;
COMMENT ON FUNCTION @extschema@.lepton_classify_scores(text[], text) IS 'labels of each text with their scores, best first';

CREATE FUNCTION @extschema@.lepton_similarity(a text, b text) RETURNS real
	AS 'MODULE_PATHNAME', 'lepton_similarity' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 2000;
COMMENT ON FUNCTION @extschema@.lepton_similarity(text, text) IS 'cosine of the embeddings of two texts with the default model';

CREATE FUNCTION @extschema@.lepton_similarity(a text, b text, model text) RETURNS real
	AS 'MODULE_PATHNAME', 'lepton_similarity' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 2000;
COMMENT ON FUNCTION @extschema@.lepton_similarity(text, text, text) IS 'cosine of the embeddings of two texts';

CREATE FUNCTION @extschema@.lepton_similarity(a text[], b text[]) RETURNS real[]
	AS 'MODULE_PATHNAME', 'lepton_similarity_array' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20000;
COMMENT ON FUNCTION @extschema@.lepton_similarity(text[], text[]) IS 'cosine of each pair of texts with the default model';

CREATE FUNCTION @extschema@.lepton_similarity(a text[], b text[], model text) RETURNS real[]
	AS 'MODULE_PATHNAME', 'lepton_similarity_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20000;
COMMENT ON FUNCTION @extschema@.lepton_similarity(text[], text[], text) IS 'cosine of each pair of texts';

CREATE FUNCTION @extschema@.lepton_similarity(a real[], b real[]) RETURNS real
	AS 'MODULE_PATHNAME', 'lepton_similarity_vectors' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION @extschema@.lepton_similarity(real[], real[]) IS 'cosine of two vectors';

CREATE FUNCTION @extschema@.lepton_tokenize(input text, model text) RETURNS integer[]
	AS 'MODULE_PATHNAME', 'lepton_tokenize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION @extschema@.lepton_tokenize(text, text) IS 'token ids of a text';

CREATE FUNCTION @extschema@.lepton_tokenize(inputs text[], model text) RETURNS SETOF integer[]
	AS 'MODULE_PATHNAME', 'lepton_tokenize_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 ROWS 100;
COMMENT ON FUNCTION @extschema@.lepton_tokenize(text[], text) IS 'token ids of each text, in order';

-- Triggers -----------------------------------------------------------------

CREATE FUNCTION @extschema@.lepton_classify_trigger() RETURNS trigger
	AS 'MODULE_PATHNAME', 'lepton_classify_trigger' LANGUAGE C ;
COMMENT ON FUNCTION @extschema@.lepton_classify_trigger() IS 'BEFORE row trigger (target, model, source, ...): set target to the label of the sources';

CREATE FUNCTION @extschema@.lepton_embed_trigger() RETURNS trigger
	AS 'MODULE_PATHNAME', 'lepton_embed_trigger' LANGUAGE C ;
COMMENT ON FUNCTION @extschema@.lepton_embed_trigger() IS 'BEFORE row trigger (target, model, source, ...): set target to the embedding of the sources';

-- Monitoring ---------------------------------------------------------------

CREATE FUNCTION _lepton.stat_models(OUT model uuid, OUT calls bigint, OUT "rows" bigint, OUT tokens bigint,
	OUT batches bigint, OUT model_time double precision, OUT cache_hits bigint, OUT loads bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'lepton_stat_models' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION _lepton.stat_models() IS 'counters behind lepton_stat_models';

CREATE VIEW @extschema@.lepton_stat_models AS
	SELECT m.name, coalesce(s.calls, 0) AS calls, coalesce(s."rows", 0) AS "rows",
		coalesce(s.tokens, 0) AS tokens, coalesce(s.batches, 0) AS batches,
		coalesce(s.model_time, 0) AS "time", coalesce(s.cache_hits, 0) AS cache_hits,
		coalesce(s.loads, 0) AS loads
	FROM _lepton.lepton_model m
		LEFT JOIN _lepton.stat_models() s ON s.model OPERATOR(pg_catalog.=) m.id;
GRANT SELECT ON @extschema@.lepton_stat_models TO PUBLIC;
COMMENT ON VIEW @extschema@.lepton_stat_models IS 'work done by each model, all sessions together; time in milliseconds';

CREATE FUNCTION @extschema@.lepton_stat_reset() RETURNS void
	AS 'MODULE_PATHNAME', 'lepton_stat_reset' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
REVOKE EXECUTE ON FUNCTION @extschema@.lepton_stat_reset() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.lepton_stat_reset() IS 'set the counters of lepton_stat_models to zero';

CREATE VIEW @extschema@.lepton_progress AS
	SELECT p.pid, d.datname, CASE p.param20 WHEN 1 THEN 'load' WHEN 2 THEN 'train' WHEN 3 THEN 'image' END AS command,
		CASE p.param19 WHEN 1 THEN 'checking files' WHEN 2 THEN 'storing files' WHEN 3 THEN 'packing weights'
			WHEN 4 THEN 'embedding rows' WHEN 5 THEN 'choosing strength' WHEN 6 THEN 'fitting' END AS phase,
		p.param18 AS done, p.param17 AS total
	FROM pg_catalog.pg_stat_get_progress_info('COPY') p
		LEFT JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) p.datid
	WHERE p.relid OPERATOR(pg_catalog.=) '_lepton.lepton_model_chunk'::pg_catalog.regclass::pg_catalog.oid
		AND p.param20 OPERATOR(pg_catalog.>) 0;
GRANT SELECT ON @extschema@.lepton_progress TO PUBLIC;
COMMENT ON VIEW @extschema@.lepton_progress IS 'loads, trainings and image builds that are running';
