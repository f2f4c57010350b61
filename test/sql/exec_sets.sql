-- Set-returning functions in LATERAL, in select lists and in subqueries: computed for many rows together, each text once.
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
\set classify :dir '/data/tiny_classify'
LOAD 'lepton';
SELECT name FROM lepton_load_model('tiny', :'tiny');
SELECT name FROM lepton_load_model('kinds', :'classify');
CREATE TABLE mail (id int, body text, other text, folder int);
INSERT INTO mail SELECT i, 'body ' || i, 'other ' || i, i % 7 FROM generate_series(1, 200) i;
ANALYZE mail;
SET max_parallel_workers_per_gather = 0;
-- Run a query; say how many rows it gives, how many texts went through a model, and whether that was in batches.
CREATE PROCEDURE count_texts(query text) LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
	done record;
BEGIN
	PERFORM lepton_stat_reset();
	EXECUTE 'SELECT count(q) FROM (' || query || ' OFFSET 0) q' INTO n;
	SELECT sum(rows) AS rows, sum(batches) AS batches INTO done FROM lepton_stat_models;
	RAISE INFO '% rows, % texts, few batches: %', n, done.rows, done.batches < done.rows / 5;
END $$;
CALL count_texts($$ SELECT m.id, s.* FROM mail m, lepton_classify_scores(m.body, 'kinds') s $$);
CALL count_texts($$ SELECT m.id, s.* FROM mail m LEFT JOIN LATERAL lepton_classify_scores(m.body, 'kinds') WITH ORDINALITY s (label, score, n) ON s.n = 1 $$);
CALL count_texts($$ SELECT m.id, s.* FROM mail m, ROWS FROM (lepton_classify_scores(m.body, 'kinds'), generate_series(1, 2), lepton_classify_scores(m.other)) s $$);
CALL count_texts($$ SELECT id, lepton_classify_scores(body, 'kinds') FROM mail $$);
CALL count_texts($$ SELECT id, (lepton_classify_scores(body, 'kinds')).* FROM mail $$);
CALL count_texts($$ SELECT id, (lepton_classify_scores(lepton_classify(body, 'kinds') || id, 'kinds')).label FROM mail $$);
CALL count_texts($$ SELECT id, (SELECT label FROM lepton_classify_scores(body, 'kinds') ORDER BY score DESC LIMIT 1) FROM mail $$);
CALL count_texts($$ SELECT id, ARRAY(SELECT label FROM lepton_classify_scores(body, 'kinds')) FROM mail WHERE folder = 3 $$);
CALL count_texts($$ SELECT id FROM mail m WHERE EXISTS (SELECT FROM lepton_classify_scores(m.body, 'kinds') s WHERE s.score > 2) $$);
CALL count_texts($$ SELECT id, q.* FROM mail, LATERAL (SELECT lepton_classify(body, 'kinds'), cardinality(lepton_embed(other, 'tiny')) OFFSET 0) q $$);
CALL count_texts($$ SELECT id, q.* FROM mail, LATERAL (SELECT label FROM lepton_classify_scores(body, 'kinds') ORDER BY score LIMIT 1) q $$);
CALL count_texts($$ SELECT * FROM mail, LATERAL (SELECT label FROM lepton_classify_scores(body, 'kinds') UNION ALL SELECT lepton_classify(other, 'kinds')) q $$);
CALL count_texts($$ SELECT * FROM mail a JOIN mail b USING (id), lepton_classify_scores(a.body || b.other, 'kinds') $$);
-- LIMIT stops early.
CALL count_texts($$ SELECT m.id, s.* FROM mail m, lepton_classify_scores(m.body, 'kinds') s LIMIT 3 $$);
CALL count_texts($$ SELECT m.id, s.* FROM mail m LEFT JOIN LATERAL lepton_classify_scores(m.body, 'kinds') s ON true LIMIT 6 $$);
-- One by one: the argument may fail where the plan does not come to the call; rows must come in order.
CALL count_texts($$ SELECT id, (SELECT max(score) FROM lepton_classify_scores((10 / folder)::text, 'kinds')) FROM mail WHERE folder > 0 $$);
CALL count_texts($$ SELECT id, CASE WHEN folder > 0 THEN (SELECT max(score) FROM lepton_classify_scores(body || 10 / folder, 'kinds')) END FROM mail WHERE id < 50 $$);
-- The rows are those of single calls.
CREATE TABLE batched AS SELECT m.id, s.* FROM mail m, lepton_classify_scores(m.body, 'kinds') WITH ORDINALITY s (label, score, n);
SET lepton.enable_batching = off;
SELECT count(*) FROM (SELECT m.id, s.* FROM mail m, lepton_classify_scores(m.body, 'kinds') WITH ORDINALITY s (label, score, n) EXCEPT ALL TABLE batched) q;
RESET lepton.enable_batching;
-- Lists of values.
CREATE TABLE target (id int, kind text, e real[]);
SELECT lepton_stat_reset();
SELECT format('INSERT INTO target VALUES %s', string_agg(format('(%s, lepton_classify(%L, ''kinds''), lepton_embed(%2$L, ''tiny''))', i, 'text ' || i), ', ')) AS list FROM generate_series(1, 64) i \gset
:list;
SELECT name, rows, batches < 10 AS few FROM lepton_stat_models ORDER BY name;
SELECT count(*), count(kind), count(e), bool_and(kind = lepton_classify('text ' || id, 'kinds') AND e = lepton_embed('text ' || id, 'tiny')) FROM target;
DROP TABLE mail, batched, target;
DROP PROCEDURE count_texts(text);
SELECT lepton_drop_model(name) FROM lepton_models ORDER BY name;
