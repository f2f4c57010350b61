-- lepton_train: learn, serve, share the parent; refuse what cannot be learned from.
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
\set classify :dir '/data/tiny_classify'
SELECT name FROM lepton_load_model('tiny', :'tiny');
SELECT name FROM lepton_load_model('kinds', :'classify');
CREATE TABLE learn AS SELECT i AS id, CASE i % 3 WHEN 0 THEN 'the invoice money bill number ' WHEN 1 THEN 'lunch and dinner at noon ' ELSE 'linux kernel compile error ' END || i AS body,
	(ARRAY['bill', 'food', 'café'])[i % 3 + 1] AS label FROM generate_series(1, 150) i;
SELECT model, labels, n_train, n_test, accuracy > 0.9 AS good, c > 0 AS c, cv_accuracy > 0.9 AS cv, embed_ms > 0 AS e, fit_ms >= 0 AS f
FROM lepton_train('topics', 'tiny', 'SELECT body, label FROM learn ORDER BY id') \gx
SELECT name, task, family, dims, labels, parent, bytes < 20000 AS small, recipe ~ '^lepton_train\(' AS recipe, "default" FROM lepton_models WHERE name = 'topics' \gx
SELECT lepton_classify('the invoice money bill number 9', 'topics') AS a, lepton_classify('lunch and dinner at noon 9', 'topics') AS b,
	lepton_classify('linux kernel compile error 9', 'topics') AS c;
SELECT label FROM lepton_classify_scores('linux kernel compile error 9', 'topics') LIMIT 1;
SELECT count(*), round(sum(score)::numeric, 4) FROM lepton_classify_scores('kernel compile error', 'topics');
SELECT avg((lepton_classify(body, 'topics') = label)::int) > 0.95 AS right FROM learn;
SELECT lepton_classify(ARRAY['lunch and dinner at noon 9', NULL], 'topics');
SELECT lepton_tokenize('lunch', 'topics') = lepton_tokenize('lunch', 'tiny') AS same_tokenizer, lepton_verify('topics');
SELECT count(*) > 0 AS has_graph FROM lepton_graph('topics');
SELECT lepton_embed('a', 'topics');
-- The same rows give the same model, in the same order.
SELECT model FROM lepton_train('again', 'tiny', 'SELECT body, label FROM learn ORDER BY id');
SELECT count(DISTINCT hash) FROM _lepton.lepton_model WHERE name IN ('topics', 'again');
SELECT lepton_drop_model('again');
-- Two labels; labels of other types; parameters of the query's own.
SELECT labels, n_train + n_test AS n FROM lepton_train('two', 'tiny', 'SELECT body, (label = ''food'')::text FROM learn');
SELECT lepton_classify('lunch and dinner at noon 9', 'two');
SELECT labels FROM lepton_train('numbers', 'tiny', 'SELECT body::varchar, (id % 3)::char(3) FROM learn');
-- The base cannot go while a child needs it.
SELECT lepton_drop_model('tiny');
SELECT lepton_rename_model('tiny', 'base');
SELECT lepton_classify('lunch and dinner at noon 9', 'topics'), parent FROM lepton_models WHERE name = 'topics';
SELECT lepton_rename_model('base', 'tiny');

-- What cannot be learned from.
SELECT * FROM lepton_train('bad', 'tiny', 'SELECT body, id FROM learn');
SELECT * FROM lepton_train('topics', 'tiny', 'SELECT body, label FROM learn');
SELECT * FROM lepton_train('bad', 'none', 'SELECT body, label FROM learn');
SELECT * FROM lepton_train('bad', 'kinds', 'SELECT body, label FROM learn');
SELECT * FROM lepton_train('bad', 'topics', 'SELECT body, label FROM learn');
SELECT * FROM lepton_train('bad', 'tiny', 'SELECT body, label FROM learn', method => 'magic');
SELECT * FROM lepton_train('bad', 'tiny', 'SELECT body FROM learn');
SELECT * FROM lepton_train('bad', 'tiny', 'SELECT body, label, id FROM learn');
SELECT * FROM lepton_train('bad', 'tiny', 'SELECT id, label FROM learn');
SELECT * FROM lepton_train('bad', 'tiny', 'SELECT body, label FROM learn WHERE false');
SELECT * FROM lepton_train('bad', 'tiny', 'SELECT body, ''one'' FROM learn');
SELECT * FROM lepton_train('bad', 'tiny', 'SELECT CASE WHEN id = 7 THEN NULL ELSE body END, label FROM learn');
SELECT * FROM lepton_train('bad', 'tiny', 'SELECT body, CASE WHEN id = 7 THEN NULL ELSE label END FROM learn');
SELECT * FROM lepton_train('bad', 'tiny', 'SELECT body, label FROM learn LIMIT 3');
SELECT * FROM lepton_train('bad', 'tiny', 'DELETE FROM learn');
SELECT * FROM lepton_train('bad', 'tiny', 'SELECT 1, 2; SELECT 3, 4');
SELECT * FROM lepton_train('bad', 'tiny', 'no sql');
SELECT * FROM lepton_train('bad', 'tiny', '');
SELECT * FROM lepton_train('bad', 'tiny', 'SELECT body, (1 / (id - 7))::text FROM learn');
SET maintenance_work_mem = '1MB';
SELECT * FROM lepton_train('bad', 'tiny', 'SELECT body, label FROM learn, generate_series(1, 60)');
RESET maintenance_work_mem;
SELECT * FROM lepton_train(NULL, 'tiny', 'SELECT body, label FROM learn');
-- In a transaction that is rolled back; in a read-only one.
BEGIN;
SELECT model FROM lepton_train('gone', 'tiny', 'SELECT body, label FROM learn');
SELECT lepton_classify('lunch', 'gone') IS NOT NULL AS there;
ROLLBACK;
BEGIN READ ONLY;
SELECT model FROM lepton_train('bad', 'tiny', 'SELECT body, label FROM learn');
ROLLBACK;
SELECT name FROM lepton_models ORDER BY name;
-- Cascade takes the children along.
SELECT lepton_drop_model('tiny', cascade => true);
SELECT name FROM lepton_models ORDER BY name;
SELECT lepton_drop_model(name::text) FROM lepton_models;
DROP TABLE learn;
