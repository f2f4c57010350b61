\echo Use "ALTER EXTENSION lepton UPDATE TO '0.3.0'" to load this file. \quit

SET LOCAL search_path = pg_catalog, pg_temp;

CREATE FUNCTION @extschema@.lepton_quantize(model text, new_name text, "precision" text DEFAULT 'auto', sample text DEFAULT NULL,
		min_cosine real DEFAULT 0.999, min_agreement real DEFAULT 0.998)
	RETURNS TABLE (name text, scheme text, error real, bytes_before bigint, bytes bigint)
	AS 'MODULE_PATHNAME', 'lepton_quantize' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 50;
COMMENT ON FUNCTION @extschema@.lepton_quantize(text, text, text, text, real, real) IS
	'make a compressed copy of a model, judged by the texts of a sample query';

CREATE FUNCTION @extschema@.lepton_compare(model_a text, model_b text, sample text DEFAULT NULL)
	RETURNS TABLE (texts integer, cosine_mean real, cosine_min real, neighbours real, labels real, speed real,
		bytes_a bigint, bytes_b bigint)
	AS 'MODULE_PATHNAME', 'lepton_compare' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.lepton_compare(text, text, text) IS
	'compare the answers and the speed of two models on the texts of a sample query';

DROP FUNCTION @extschema@.lepton_graph(text);
CREATE FUNCTION @extschema@.lepton_graph(model text)
	RETURNS TABLE (step integer, op text, name text, shape text, "precision" text, segment text, bytes bigint,
		scratch bigint, stored text)
	AS 'MODULE_PATHNAME', 'lepton_graph' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.lepton_graph(text) IS 'operators of a model';

CREATE OR REPLACE VIEW @extschema@.lepton_progress AS
	SELECT p.pid, d.datname, CASE p.param20 WHEN 1 THEN 'load' WHEN 2 THEN 'train' WHEN 3 THEN 'image'
			WHEN 4 THEN 'quantize' WHEN 5 THEN 'compare' END AS command,
		CASE p.param19 WHEN 1 THEN 'checking files' WHEN 2 THEN 'storing files' WHEN 3 THEN 'packing weights'
			WHEN 4 THEN 'embedding rows' WHEN 5 THEN 'choosing strength' WHEN 6 THEN 'fitting'
			WHEN 7 THEN 'reading sample' WHEN 8 THEN 'compressing weights' WHEN 9 THEN 'comparing neighbours' END AS phase,
		p.param18 AS done, p.param17 AS total
	FROM pg_catalog.pg_stat_get_progress_info('COPY') p
		LEFT JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) p.datid
	WHERE p.relid OPERATOR(pg_catalog.=) '_lepton.lepton_model_chunk'::pg_catalog.regclass::pg_catalog.oid
		AND p.param20 OPERATOR(pg_catalog.>) 0;
COMMENT ON VIEW @extschema@.lepton_progress IS 'loads, trainings, compressions, comparisons and image builds that are running';
