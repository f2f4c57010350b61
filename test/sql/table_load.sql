-- Loading from a table that a client filled.
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
SELECT name FROM lepton_load_model('tiny', :'tiny');
CREATE TABLE files (path text, part int, data bytea);
-- Cut into pieces of 50,000 bytes, out of order.
CREATE FUNCTION put(p text, folder text) RETURNS void LANGUAGE sql AS $$
	INSERT INTO files SELECT p, i, substring(f FROM i * 50000 + 1 FOR 50000)
	FROM (SELECT pg_read_binary_file(folder || '/' || p) AS f) x, generate_series(0, octet_length(f) / 50000) i ORDER BY i DESC $$;
SELECT count(put(p, :'tiny')) FROM unnest(ARRAY['config.json', 'tokenizer.json', 'tokenizer_config.json', 'model.safetensors',
	'modules.json', 'sentence_bert_config.json', '1_Pooling/config.json']) p;
SELECT path, count(*), sum(octet_length(data)) FROM files GROUP BY path ORDER BY path;
SELECT name, task, dims, max_tokens, "default" FROM lepton_load_model('from_table', files => 'files');
SELECT lepton_embed('a text', 'from_table') = lepton_embed('a text', 'tiny') AS same;
SELECT count(DISTINCT hash) FROM _lepton.lepton_model;
SELECT lepton_drop_model('from_table');
-- Files that a model does not need are left out.
INSERT INTO files VALUES ('README.md', 0, 'read me'), ('onnx/model.onnx', 0, 'x'), ('pytorch_model.bin', 0, 'x');
SELECT name FROM lepton_load_model('from_table', 'files'::regclass);
SELECT path FROM _lepton.lepton_model_chunk c JOIN _lepton.lepton_model m ON m.id = c.model WHERE name = 'from_table' ORDER BY path;
SELECT lepton_drop_model('from_table');
-- A role without access to the server's files may do this.
CREATE ROLE regress_lepton_client;
GRANT SELECT ON files TO regress_lepton_client;
SET ROLE regress_lepton_client;
SELECT name, owner FROM lepton_load_model('clients', files => 'files');
SELECT cardinality(lepton_embed('a text', 'clients'));
SELECT name FROM lepton_load_model('by_path', :'tiny');
SELECT lepton_drop_model('clients');
RESET ROLE;
REVOKE SELECT ON files FROM regress_lepton_client;
SET ROLE regress_lepton_client;
SELECT name FROM lepton_load_model('clients', files => 'files');
RESET ROLE;
DROP ROLE regress_lepton_client;

-- Tables that are wrong.
BEGIN; DELETE FROM files WHERE path = 'config.json'; SELECT name FROM lepton_load_model('bad', files => 'files'); ROLLBACK;
BEGIN; DELETE FROM files WHERE path = 'model.safetensors' AND part = 1; SELECT name FROM lepton_load_model('bad', files => 'files'); ROLLBACK;
BEGIN; INSERT INTO files SELECT * FROM files WHERE path = 'config.json'; SELECT name FROM lepton_load_model('bad', files => 'files'); ROLLBACK;
BEGIN; UPDATE files SET data = NULL WHERE path = 'config.json'; SELECT name FROM lepton_load_model('bad', files => 'files'); ROLLBACK;
BEGIN; UPDATE files SET path = NULL WHERE path = 'config.json'; SELECT name FROM lepton_load_model('bad', files => 'files'); ROLLBACK;
BEGIN; UPDATE files SET path = '../config.json' WHERE path = 'config.json'; SELECT name FROM lepton_load_model('bad', files => 'files'); ROLLBACK;
BEGIN; UPDATE files SET part = -1 WHERE path = 'config.json'; SELECT name FROM lepton_load_model('bad', files => 'files'); ROLLBACK;
BEGIN; DELETE FROM files; SELECT name FROM lepton_load_model('bad', files => 'files'); ROLLBACK;
CREATE TABLE wrong (path text, data bytea);
SELECT name FROM lepton_load_model('bad', files => 'wrong');
CREATE TABLE wrong_types (path text, part text, data text);
SELECT name FROM lepton_load_model('bad', files => 'wrong_types');
CREATE VIEW files_view AS SELECT data, part, path FROM files;
SELECT name FROM lepton_load_model('from_view', files => 'files_view');
CREATE SEQUENCE not_a_table;
SELECT name FROM lepton_load_model('bad', files => 'not_a_table');
SELECT name FROM lepton_load_model('bad', 0::regclass);
-- A name in quotes alone is a path; the table form wants a regclass.
SELECT name FROM lepton_load_model('bad', 'files');
SELECT name FROM lepton_models ORDER BY name;
SELECT lepton_drop_model(name::text) FROM lepton_models;
DROP TABLE files, wrong, wrong_types CASCADE;
DROP SEQUENCE not_a_table;
DROP FUNCTION put;
