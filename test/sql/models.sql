-- Models: load, look, rename, default, verify, graph, drop.
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
\set classify :dir '/data/tiny_classify'
\set multi :dir '/data/tiny_multi'
\set score :dir '/data/tiny_score'

SELECT count(*) FROM lepton_models;
SELECT name, task, family, "precision", dims, max_tokens, labels, parameters, bytes, parent, recipe,
	owner = current_user::regrole AS mine, users, loaded_at <= clock_timestamp() AS past, "default"
FROM lepton_load_model('tiny', :'tiny') \gx
SELECT name, task, family, "precision", dims, max_tokens, labels, parameters, "default"
FROM lepton_load_model('tiny_classify', :'classify') \gx
SELECT name, task, "precision", labels, parameters, "default" FROM lepton_load_model('tiny_multi', :'multi') \gx
SELECT name, task, "precision", labels, parameters, "default" FROM lepton_load_model('tiny_score', :'score') \gx
SELECT name, task, "default" FROM lepton_models ORDER BY name;
\d lepton_models

-- The files are stored as they are.
SELECT path, part, octet_length(data) FROM _lepton.lepton_model_chunk c JOIN _lepton.lepton_model m ON m.id = c.model
WHERE m.name = 'tiny' ORDER BY path, part;
SELECT octet_length(hash), bytes = (SELECT sum(octet_length(data)) FROM _lepton.lepton_model_chunk WHERE model = id) AS all_bytes
FROM _lepton.lepton_model WHERE name = 'tiny';
-- Equal files have equal hashes.
SELECT name FROM lepton_load_model('twin', :'tiny');
SELECT count(DISTINCT hash), count(DISTINCT id) FROM _lepton.lepton_model WHERE name IN ('tiny', 'twin');
SELECT lepton_embed('a', 'twin') = lepton_embed('a', 'tiny') AS same;
SELECT lepton_drop_model('twin');
SELECT cardinality(lepton_embed('a', 'tiny')) AS still_there;

-- Names.
SELECT name FROM lepton_load_model('tiny', :'tiny');
SELECT name FROM lepton_load_model('', :'tiny');
SELECT name FROM lepton_load_model(repeat('long', 16), :'tiny');
SELECT name FROM lepton_load_model('Ein "Modell"; -- ü', :'tiny');
SELECT cardinality(lepton_embed('a', 'Ein "Modell"; -- ü'));
SELECT lepton_drop_model('Ein "Modell"; -- ü');
SELECT lepton_rename_model('tiny', 'small');
SELECT name, task, "default" FROM lepton_models ORDER BY name;
SELECT cardinality(lepton_embed('a', 'small'));
SELECT lepton_embed('a', 'tiny');
SELECT lepton_rename_model('small', 'tiny_classify');
SELECT lepton_rename_model('small', '');
SELECT lepton_rename_model('none', 'other');
SELECT lepton_rename_model('small', 'tiny');

-- Defaults: one for a task.
SELECT lepton_set_default('tiny_multi');
SELECT name, task, "default" FROM lepton_models ORDER BY name;
SELECT lepton_set_default('tiny_classify');
SELECT lepton_set_default('none');
SELECT name FROM lepton_models WHERE "default" ORDER BY 1;

-- A load that is rolled back leaves nothing.
BEGIN;
SELECT name FROM lepton_load_model('gone', :'tiny');
SELECT cardinality(lepton_embed('a', 'gone'));
ROLLBACK;
SELECT lepton_embed('a', 'gone');
BEGIN;
SAVEPOINT s;
SELECT name FROM lepton_load_model('gone', :'tiny');
ROLLBACK TO s;
SELECT name FROM lepton_load_model('kept', :'tiny');
COMMIT;
SELECT name FROM lepton_models WHERE name IN ('gone', 'kept');
BEGIN;
SELECT lepton_drop_model('kept');
ROLLBACK;
SELECT cardinality(lepton_embed('a', 'kept'));
SELECT lepton_drop_model('kept');
SELECT count(*) FROM _lepton.lepton_model_chunk c WHERE NOT EXISTS (SELECT FROM _lepton.lepton_model m WHERE m.id = c.model);

-- Looking into a model.
SELECT name, lepton_verify(name::text) FROM lepton_models ORDER BY name;
SELECT lepton_verify('none');
SELECT step, op, name, shape, "precision", segment, bytes > 0 AS weights FROM lepton_graph('tiny') ORDER BY step;
SELECT op, count(*) FROM lepton_graph('tiny_classify') GROUP BY op ORDER BY op;
SELECT * FROM lepton_graph('none');
-- A damaged catalog is noticed.
BEGIN;
UPDATE _lepton.lepton_model_chunk SET data = set_byte(data, 9000, get_byte(data, 9000) # 1)
	WHERE path = 'model.safetensors' AND model = (SELECT id FROM _lepton.lepton_model WHERE name = 'tiny');
SELECT lepton_verify('tiny');
ROLLBACK;
SELECT lepton_verify('tiny');

-- Dropping asks who uses a model.
CREATE TABLE uses (t text, e real[] GENERATED ALWAYS AS (lepton_embed(t, 'tiny')) STORED);
CREATE INDEX uses_label ON uses (lepton_classify(t, 'tiny_classify'));
CREATE VIEW uses_view AS SELECT lepton_classify(t, 'tiny_classify') FROM uses;
SELECT lepton_drop_model('tiny');
SELECT lepton_drop_model('tiny_classify');
SELECT lepton_drop_model('tiny_classify', cascade => true);
\d uses
SELECT lepton_drop_model('tiny', true);
\d uses
DROP TABLE uses;
SELECT lepton_drop_model('tiny_multi'), lepton_drop_model('tiny_score');
SELECT lepton_drop_model('none');
SELECT count(*) FROM lepton_models;
SELECT count(*) FROM _lepton.lepton_model_chunk;
