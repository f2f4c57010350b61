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
