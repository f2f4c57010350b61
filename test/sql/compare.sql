-- lepton_compare: how far two models' answers are apart; repeated texts in a call.
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
\set classify :dir '/data/tiny_classify'
\set multi :dir '/data/tiny_multi'
\set score :dir '/data/tiny_score'
SELECT name FROM lepton_load_model('tiny', :'tiny');
SELECT name FROM lepton_load_model('same', :'tiny');
SELECT name FROM lepton_load_model('kinds', :'classify');
SELECT name, labels FROM lepton_load_model('multi', :'multi');
SELECT name FROM lepton_load_model('score', :'score');
CREATE TABLE texts AS SELECT i AS id, (ARRAY['the invoice ', 'lunch at noon ', 'linux kernel '])[i % 3 + 1] || i AS body FROM generate_series(1, 600) i;
-- A model is like itself.
SELECT texts, round(cosine_mean::numeric, 5) AS mean, round(cosine_min::numeric, 5) AS min, neighbours, labels, speed > 0 AS speed, bytes_a = bytes_b AS bytes,
	bytes_a = (SELECT bytes FROM lepton_models WHERE name = 'tiny') AS bytes_a
	FROM lepton_compare('tiny', 'same', 'SELECT body FROM texts');
SELECT texts, round(cosine_mean::numeric, 5) AS mean, neighbours, labels FROM lepton_compare('kinds', 'kinds', 'SELECT body FROM texts');
-- The built-in sample.
SELECT texts > 1 AS texts, cosine_min > 0.9999 AS min, neighbours FROM lepton_compare('tiny', 'same');
-- Each column against what it is defined as.
CREATE TEMP TABLE made AS SELECT count(*) FROM lepton_quantize('tiny', 'i4', 'i4', sample => 'SELECT body FROM texts');
CREATE TEMP TABLE few AS SELECT row_number() OVER () AS n, body FROM (SELECT body FROM texts ORDER BY id LIMIT 60) t;
WITH e AS (SELECT n, lepton_embed(body, 'tiny') AS a, lepton_embed(body, 'i4') AS b FROM few),
	near AS (SELECT e.n, (SELECT f.n FROM e f WHERE f.n <> e.n ORDER BY lepton_similarity(e.a, f.a) DESC, f.n LIMIT 1) AS a,
		(SELECT f.n FROM e f WHERE f.n <> e.n ORDER BY lepton_similarity(e.b, f.b) DESC, f.n LIMIT 1) AS b FROM e)
SELECT c.texts, abs(c.cosine_mean - avg(lepton_similarity(e.a, e.b))) < 1e-6 AS mean, abs(c.cosine_min - min(lepton_similarity(e.a, e.b))) < 1e-6 AS min,
	abs(c.neighbours - (SELECT avg((a = b)::int) FROM near)) < 0.05 AS neighbours
	FROM e, lepton_compare('tiny', 'i4', 'SELECT body FROM few ORDER BY n') c GROUP BY c.texts, c.cosine_mean, c.cosine_min, c.neighbours;
-- Heads: labels agree by name; the bytes of the base count.
SELECT model FROM lepton_train('head', 'tiny', 'SELECT body, CASE WHEN id % 3 = 0 THEN ''ham'' ELSE ''spam'' END FROM texts');
SELECT texts, cosine_mean IS NULL AS no_cosine, neighbours, labels = (SELECT avg((lepton_classify(body, 'head') = lepton_classify(body, 'kinds'))::int)::real FROM texts) AS labels,
	bytes_a = (SELECT sum(bytes) FROM lepton_models WHERE name IN ('head', 'tiny')) AS bytes_a
	FROM lepton_compare('head', 'kinds', 'SELECT body FROM texts');
-- A score has no label.
SELECT texts, cosine_mean, neighbours, labels FROM lepton_compare('score', 'score', 'SELECT body FROM texts');
-- One text has no neighbour.
SELECT texts, cosine_mean > 0.999 AS mean, cosine_min > 0.999 AS min, neighbours FROM lepton_compare('tiny', 'same', $$SELECT 'linux kernel'$$);
-- Equal texts are each other's neighbours, the first of them for all the others.
SELECT texts, neighbours FROM lepton_compare('tiny', 'same', $$SELECT (ARRAY['a', 'b'])[i % 2 + 1] FROM generate_series(1, 500) i$$);

SELECT * FROM lepton_compare('tiny', 'kinds');
SELECT * FROM lepton_compare('tiny', 'none');
SELECT * FROM lepton_compare(NULL, 'tiny');
SELECT * FROM lepton_compare('tiny', NULL);
SELECT * FROM lepton_compare('tiny', 'same', 'SELECT body FROM texts WHERE false');
SELECT * FROM lepton_compare('tiny', 'same', 'SELECT NULL::text');
SELECT * FROM lepton_compare('tiny', 'same', 'SELECT id FROM texts');
SELECT * FROM lepton_compare('tiny', 'same', 'SELECT body, id FROM texts');
SELECT * FROM lepton_compare('tiny', 'same', 'DROP TABLE texts');
SET maintenance_work_mem = '1MB';
SELECT * FROM lepton_compare('tiny', 'same', 'SELECT body FROM texts, generate_series(1, 10)');
SELECT texts FROM lepton_compare('kinds', 'kinds', 'SELECT body FROM texts, generate_series(1, 10)');
RESET maintenance_work_mem;
BEGIN READ ONLY;
SELECT texts FROM lepton_compare('tiny', 'same', 'SELECT body FROM texts');
ROLLBACK;

-- A repeated text of one call is computed once; its rows are the same, wherever they stand.
SELECT name FROM lepton_load_model('fresh', :'tiny');
SET lepton.batch_tokens = 64;
CREATE TEMP TABLE many AS SELECT i AS n, CASE WHEN i % 7 = 0 THEN NULL ELSE 'text number ' || i * i % 23 END AS body FROM generate_series(1, 400) i;
SELECT count(*), bool_and(v IS NOT DISTINCT FROM lepton_embed(body, 'tiny')) AS same FROM (SELECT n, body,
	(SELECT CASE WHEN bool_or(x IS NOT NULL) THEN array_agg(x ORDER BY o) END FROM unnest(e[n:n]) WITH ORDINALITY AS u(x, o)) AS v
	FROM many, (SELECT lepton_embed(array_agg(body ORDER BY n), 'fresh') AS e FROM many) a) t;
SELECT "rows", tokens = (SELECT sum(cardinality(lepton_tokenize(body, 'tiny'))) FROM (SELECT DISTINCT body FROM many) d) AS tokens
	FROM lepton_stat_models WHERE name = 'fresh';
SELECT bool_and(l IS NOT DISTINCT FROM lepton_classify(body, 'kinds')) AS same FROM many,
	unnest((SELECT lepton_classify(array_agg(body ORDER BY n), 'kinds') FROM many)) WITH ORDINALITY AS u(l, o) WHERE o = n;
SELECT bool_and(l IS NOT DISTINCT FROM lepton_classify(body, 'head')) AS same FROM many,
	unnest((SELECT lepton_classify(array_agg(body ORDER BY n), 'head') FROM many)) WITH ORDINALITY AS u(l, o) WHERE o = n;
RESET lepton.batch_tokens;
-- More of them than a call remembers, and than a batch holds rows.
SELECT bool_and(e = f) AS same FROM (SELECT lepton_embed(array_agg((i % 36000 % 34000)::text ORDER BY i), 'tiny') AS e FROM generate_series(1, 36500) i) a,
	(SELECT array_agg(lepton_embed((i % 36000 % 34000)::text, 'tiny') ORDER BY i) AS f FROM generate_series(1, 36500) i) b;
SELECT bool_and(a = first) AS same, count(*) FROM (SELECT a, first_value(a) OVER () AS first FROM unnest(lepton_classify(array_fill('a'::text, ARRAY[40000]), 'kinds')) a) t;
SELECT array_length(e, 1), e[1:1] = e[20001:20001] AND e[1:1] = e[40000:40000] AS same FROM lepton_embed(array_fill('a'::text, ARRAY[40000]), 'tiny') e;
SELECT lepton_drop_model(name::text, true) FROM lepton_models WHERE name <> 'head' ORDER BY name;
DROP TABLE texts;
