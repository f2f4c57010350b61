\echo Use "ALTER EXTENSION lepton UPDATE TO '0.5.0'" to load this file. \quit

SET LOCAL search_path = pg_catalog, pg_temp;

-- Tasks of models ----------------------------------------------------------

CREATE TABLE _lepton.lepton_default (
	task text PRIMARY KEY COLLATE "C",
	model uuid NOT NULL REFERENCES _lepton.lepton_model ON DELETE CASCADE
);
CREATE INDEX lepton_default_model ON _lepton.lepton_default (model);
SELECT pg_extension_config_dump('_lepton.lepton_default', '');
COMMENT ON TABLE _lepton.lepton_default IS 'the default model of each task';

INSERT INTO _lepton.lepton_default SELECT task, id FROM _lepton.lepton_model WHERE is_default;

ALTER TABLE _lepton.lepton_model ADD COLUMN tasks text[] NOT NULL DEFAULT '{}';
UPDATE _lepton.lepton_model m SET tasks = ARRAY[task]
	OPERATOR(pg_catalog.||) CASE WHEN task OPERATOR(pg_catalog.=) 'classify' AND cardinality(labels) OPERATOR(pg_catalog.=) 1
		AND family OPERATOR(pg_catalog.<>) 'lepton_head' THEN ARRAY['rerank'] ELSE '{}' END
	OPERATOR(pg_catalog.||) CASE WHEN task OPERATOR(pg_catalog.=) 'classify' AND family OPERATOR(pg_catalog.<>) 'lepton_head'
		AND EXISTS (SELECT FROM unnest(m.labels) l WHERE lower(l) OPERATOR(pg_catalog.~~) 'entail%') THEN ARRAY['zero_shot'] ELSE '{}' END;

CREATE OR REPLACE VIEW @extschema@.lepton_models AS
	SELECT m.name, m.task, m.family, m."precision", m.dims, m.max_tokens, m.labels, m.parameters,
		m.bytes, p.name AS parent, m.recipe, m.owner::regrole AS owner, m.users::regrole[] AS users, m.loaded_at,
		EXISTS (SELECT FROM _lepton.lepton_default d
			WHERE d.model OPERATOR(pg_catalog.=) m.id AND d.task OPERATOR(pg_catalog.=) m.task) AS "default",
		m.tasks, ARRAY(SELECT d.task FROM _lepton.lepton_default d WHERE d.model OPERATOR(pg_catalog.=) m.id
			ORDER BY d.task) AS default_for
	FROM _lepton.lepton_model m LEFT JOIN _lepton.lepton_model p ON p.id OPERATOR(pg_catalog.=) m.parent;
COMMENT ON VIEW @extschema@.lepton_models IS 'models of this database';

ALTER TABLE _lepton.lepton_model DROP COLUMN is_default;

DROP FUNCTION @extschema@.lepton_load_model(text, text);
CREATE FUNCTION @extschema@.lepton_load_model(name text, path text, task text DEFAULT NULL) RETURNS @extschema@.lepton_models
	AS 'MODULE_PATHNAME', 'lepton_load_model_path' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.lepton_load_model(text, text, text) IS 'load a Hugging Face folder from the disk of the server';

DROP FUNCTION @extschema@.lepton_load_model(text, regclass);
CREATE FUNCTION @extschema@.lepton_load_model(name text, files regclass, task text DEFAULT NULL) RETURNS @extschema@.lepton_models
	AS 'MODULE_PATHNAME', 'lepton_load_model_table' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.lepton_load_model(text, regclass, text) IS 'load a model from a table (path text, part int, data bytea)';

CREATE FUNCTION @extschema@.lepton_set_default(name text, task text) RETURNS void
	AS 'MODULE_PATHNAME', 'lepton_set_default' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.lepton_set_default(text, text) IS 'make a model the default of a task';

-- Tasks --------------------------------------------------------------------
--
-- As before, a function without a model is STABLE and one with a model IMMUTABLE.  Options stand behind the
-- model; the first of them is no text, so that positions decide which form is meant.  Where two texts would look
-- like a text and a model, the second one is a bpchar: a string in its place is a model, unless it is named.

CREATE FUNCTION @extschema@.lepton_embed(input text, prompt bpchar, literal boolean DEFAULT false) RETURNS real[]
	AS 'MODULE_PATHNAME', 'lepton_embed_prompt' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION @extschema@.lepton_embed(text, bpchar, boolean) IS 'embed a text behind a prompt with the default model';

CREATE FUNCTION @extschema@.lepton_embed(input text, model text, prompt text, literal boolean DEFAULT false) RETURNS real[]
	AS 'MODULE_PATHNAME', 'lepton_embed_prompt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION @extschema@.lepton_embed(text, text, text, boolean) IS 'embed a text behind a prompt';

CREATE FUNCTION @extschema@.lepton_classify(input text, pair bpchar) RETURNS text
	AS 'MODULE_PATHNAME', 'lepton_classify_pair' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION @extschema@.lepton_classify(text, bpchar) IS 'best label of a pair of texts with the default model';

CREATE FUNCTION @extschema@.lepton_classify(input text, pair text, model text) RETURNS text
	AS 'MODULE_PATHNAME', 'lepton_classify_pair' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION @extschema@.lepton_classify(text, text, text) IS 'best label of a pair of texts';

CREATE FUNCTION @extschema@.lepton_classify_scores(input text, pair bpchar) RETURNS TABLE (label text, score real)
	AS 'MODULE_PATHNAME', 'lepton_classify_scores_pair' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000 ROWS 10;
COMMENT ON FUNCTION @extschema@.lepton_classify_scores(text, bpchar) IS
	'labels of a pair of texts with their scores, best first, with the default model';

CREATE FUNCTION @extschema@.lepton_classify_scores(input text, pair text, model text) RETURNS TABLE (label text, score real)
	AS 'MODULE_PATHNAME', 'lepton_classify_scores_pair' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 ROWS 10;
COMMENT ON FUNCTION @extschema@.lepton_classify_scores(text, text, text) IS 'labels of a pair of texts with their scores, best first';

CREATE FUNCTION @extschema@.lepton_entities(input text, stride integer DEFAULT -1, aggregation text DEFAULT 'simple')
	RETURNS TABLE (entity text, label text, score real, "start" integer, "end" integer)
	AS 'MODULE_PATHNAME', 'lepton_entities' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000 ROWS 10;
COMMENT ON FUNCTION @extschema@.lepton_entities(text, integer, text) IS 'entities in a text with the default model';

CREATE FUNCTION @extschema@.lepton_entities(input text, model text, stride integer DEFAULT -1, aggregation text DEFAULT 'simple')
	RETURNS TABLE (entity text, label text, score real, "start" integer, "end" integer)
	AS 'MODULE_PATHNAME', 'lepton_entities' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 ROWS 10;
COMMENT ON FUNCTION @extschema@.lepton_entities(text, text, integer, text) IS 'entities in a text';

CREATE FUNCTION @extschema@.lepton_answer(question text, context text, top_k integer DEFAULT 1,
		handle_impossible boolean DEFAULT false, max_answer_len integer DEFAULT 15, doc_stride integer DEFAULT -1,
		max_seq_len integer DEFAULT 384)
	RETURNS TABLE (answer text, score real, "start" integer, "end" integer)
	AS 'MODULE_PATHNAME', 'lepton_answer' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 2000 ROWS 1;
COMMENT ON FUNCTION @extschema@.lepton_answer(text, text, integer, boolean, integer, integer, integer) IS
	'the part of a text that answers a question, with the default model';

CREATE FUNCTION @extschema@.lepton_answer(question text, context text, model text, top_k integer DEFAULT 1,
		handle_impossible boolean DEFAULT false, max_answer_len integer DEFAULT 15, doc_stride integer DEFAULT -1,
		max_seq_len integer DEFAULT 384)
	RETURNS TABLE (answer text, score real, "start" integer, "end" integer)
	AS 'MODULE_PATHNAME', 'lepton_answer' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 2000 ROWS 1;
COMMENT ON FUNCTION @extschema@.lepton_answer(text, text, text, integer, boolean, integer, integer, integer) IS
	'the part of a text that answers a question';

CREATE FUNCTION @extschema@.lepton_rerank(query text, document text) RETURNS real
	AS 'MODULE_PATHNAME', 'lepton_rerank' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION @extschema@.lepton_rerank(text, text) IS 'how well a document answers a query, with the default model';

CREATE FUNCTION @extschema@.lepton_rerank(query text, document text, model text) RETURNS real
	AS 'MODULE_PATHNAME', 'lepton_rerank' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION @extschema@.lepton_rerank(text, text, text) IS 'how well a document answers a query';

CREATE FUNCTION @extschema@.lepton_zero_shot(input text, labels text[], multi_label boolean DEFAULT false,
		hypothesis text DEFAULT 'This example is {}.')
	RETURNS TABLE (label text, score real)
	AS 'MODULE_PATHNAME', 'lepton_zero_shot' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000 ROWS 10;
COMMENT ON FUNCTION @extschema@.lepton_zero_shot(text, text[], boolean, text) IS
	'given labels with their scores for a text, best first, with the default model';

CREATE FUNCTION @extschema@.lepton_zero_shot(input text, labels text[], model text, multi_label boolean DEFAULT false,
		hypothesis text DEFAULT 'This example is {}.')
	RETURNS TABLE (label text, score real)
	AS 'MODULE_PATHNAME', 'lepton_zero_shot' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5000 ROWS 10;
COMMENT ON FUNCTION @extschema@.lepton_zero_shot(text, text[], text, boolean, text) IS
	'given labels with their scores for a text, best first';

CREATE FUNCTION @extschema@.lepton_fill_mask(input text, top_k integer DEFAULT 5, targets text[] DEFAULT '{}')
	RETURNS TABLE (token text, score real, mask integer)
	AS 'MODULE_PATHNAME', 'lepton_fill_mask' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000 ROWS 5;
COMMENT ON FUNCTION @extschema@.lepton_fill_mask(text, integer, text[]) IS
	'likely tokens for each mask in a text, best first, with the default model';

CREATE FUNCTION @extschema@.lepton_fill_mask(input text, model text, top_k integer DEFAULT 5, targets text[] DEFAULT '{}')
	RETURNS TABLE (token text, score real, mask integer)
	AS 'MODULE_PATHNAME', 'lepton_fill_mask' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 ROWS 5;
COMMENT ON FUNCTION @extschema@.lepton_fill_mask(text, text, integer, text[]) IS 'likely tokens for each mask in a text, best first';

CREATE FUNCTION @extschema@.lepton_sparse_embed(input text) RETURNS TABLE (token text, weight real)
	AS 'MODULE_PATHNAME', 'lepton_sparse_embed' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000 ROWS 100;
COMMENT ON FUNCTION @extschema@.lepton_sparse_embed(text) IS 'tokens of a text with their weights, heaviest first, with the default model';

CREATE FUNCTION @extschema@.lepton_sparse_embed(input text, model text) RETURNS TABLE (token text, weight real)
	AS 'MODULE_PATHNAME', 'lepton_sparse_embed' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 ROWS 100;
COMMENT ON FUNCTION @extschema@.lepton_sparse_embed(text, text) IS 'tokens of a text with their weights, heaviest first';

-- GPU ----------------------------------------------------------------------

CREATE FUNCTION _lepton.gpu(OUT state text, OUT reason text, OUT device text, OUT pid integer, OUT starts integer,
	OUT since timestamptz, OUT memory bigint, OUT memory_limit bigint, OUT memory_used bigint, OUT models bigint,
	OUT model_memory bigint, OUT connections bigint, OUT queued bigint, OUT requests bigint, OUT batches bigint,
	OUT texts bigint, OUT tokens bigint, OUT loads bigint, OUT evictions bigint, OUT failures bigint,
	OUT "time" double precision)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'lepton_gpu' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 1;
COMMENT ON FUNCTION _lepton.gpu() IS 'the row of lepton_gpu';

CREATE VIEW @extschema@.lepton_gpu AS SELECT * FROM _lepton.gpu();
GRANT SELECT ON @extschema@.lepton_gpu TO PUBLIC;
COMMENT ON VIEW @extschema@.lepton_gpu IS
	'the GPU that all sessions of the server share: state and why, memory in bytes, work since its program began; time in milliseconds';
