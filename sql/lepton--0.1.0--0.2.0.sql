\echo Use "ALTER EXTENSION lepton UPDATE TO '0.2.0'" to load this file. \quit

SET LOCAL search_path = pg_catalog, pg_temp;

CREATE FUNCTION @extschema@.lepton_train(new_name text, base text, query text, method text DEFAULT 'head')
	RETURNS TABLE (model text, labels text[], n_train integer, n_test integer, accuracy real, c double precision,
		cv_accuracy real, embed_ms double precision, fit_ms double precision)
	AS 'MODULE_PATHNAME', 'lepton_train' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.lepton_train(text, text, text, text) IS
	'learn a classifier on the embeddings of base from the rows (text, label) of a query';
