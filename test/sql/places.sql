-- Every place where PostgreSQL evaluates an expression.
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
\set classify :dir '/data/tiny_classify'
SELECT name FROM lepton_load_model('tiny', :'tiny');
SELECT name FROM lepton_load_model('kinds', :'classify');

-- Stored generated columns.
CREATE TABLE mail (
	id int PRIMARY KEY,
	body text,
	embedding real[] GENERATED ALWAYS AS (lepton_embed(body, 'tiny')) STORED,
	kind text GENERATED ALWAYS AS (lepton_classify(body, 'kinds')) STORED
);
INSERT INTO mail (id, body) VALUES (1, 'the invoice is overdue'), (2, 'lunch at noon?'), (3, NULL), (4, '');
SELECT id, embedding = lepton_embed(body, 'tiny') AS e, kind = lepton_classify(body, 'kinds') AS k FROM mail ORDER BY id;
UPDATE mail SET body = 'another text' WHERE id = 1;
SELECT bool_and(embedding = lepton_embed(body, 'tiny')) AS e FROM mail;
INSERT INTO mail (id, body) VALUES (1, 'again') ON CONFLICT (id) DO UPDATE SET body = excluded.body || ' and again'
	RETURNING id, body, embedding = lepton_embed('again and again', 'tiny') AS e;
-- The default model may change, so it cannot be stored.
CREATE TABLE refused (body text, e real[] GENERATED ALWAYS AS (lepton_embed(body)) STORED);
CREATE INDEX ON mail (lepton_classify(body));
ALTER TABLE mail ADD COLUMN tokens int[] GENERATED ALWAYS AS (lepton_tokenize(body, 'tiny')) STORED;
SELECT id, tokens FROM mail WHERE id IN (2, 4) ORDER BY id;

-- COPY.
COPY mail (id, body) FROM stdin;
10	copied text one
11	copied text two
\.
SELECT id, embedding = lepton_embed(body, 'tiny') AS e FROM mail WHERE id >= 10 ORDER BY id;
COPY (SELECT id, lepton_classify(body, 'kinds') = kind FROM mail WHERE id < 3 ORDER BY id) TO stdout;

-- Expression and partial indexes.
INSERT INTO mail (id, body) SELECT i, 'message number ' || i FROM generate_series(100, 299) i;
CREATE INDEX mail_kind ON mail (lepton_classify(body, 'kinds'));
CREATE INDEX mail_some ON mail (id) WHERE lepton_classify(body, 'kinds') = 'spam';
ANALYZE mail;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM mail WHERE lepton_classify(body, 'kinds') = 'ham' AND id = 5;
SET enable_bitmapscan = on;
EXPLAIN (COSTS OFF) SELECT count(*) FROM mail WHERE lepton_classify(body, 'kinds') = 'ham';
SELECT (SELECT count(*) FROM mail WHERE lepton_classify(body, 'kinds') = 'ham') AS by_index \gset
SET enable_seqscan = on;
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SELECT count(*) = :by_index AS same FROM mail WHERE lepton_classify(body, 'kinds') = 'ham';
RESET enable_indexscan;
RESET enable_bitmapscan;
RESET enable_seqscan;
REINDEX INDEX mail_kind;
-- The planner asks cheap questions first.
EXPLAIN (COSTS OFF) SELECT * FROM mail WHERE lepton_similarity(body, 'lunch', 'tiny') > 0.5 AND body LIKE 'm%';

-- Check constraint, column default, domain.
ALTER TABLE mail ADD CONSTRAINT known CHECK (lepton_classify(body, 'kinds') IN ('ham', 'news', 'spam'));
CREATE TABLE defaults (v real[] DEFAULT lepton_embed('nothing', 'tiny'));
INSERT INTO defaults DEFAULT VALUES;
SELECT v = lepton_embed('nothing', 'tiny') AS e FROM defaults;

-- Views and materialized views.
CREATE VIEW kinds_view AS SELECT id, lepton_classify(body, 'kinds') AS kind FROM mail;
CREATE MATERIALIZED VIEW kinds AS SELECT kind, count(*) FROM kinds_view WHERE id < 3 GROUP BY kind;
REFRESH MATERIALIZED VIEW kinds;
SELECT sum(count) FROM kinds;

-- PL/pgSQL, SQL functions (inlined or not), DO.
CREATE FUNCTION route(body text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF lepton_classify(body, 'kinds') = 'spam' THEN RETURN 'junk'; END IF;
	RETURN 'inbox';
END $$;
SELECT route(body) IN ('junk', 'inbox') AS routed FROM mail WHERE id < 3 ORDER BY id;
CREATE FUNCTION nearest(q text) RETURNS SETOF int LANGUAGE sql STABLE AS
	$$SELECT id FROM mail WHERE body IS NOT NULL ORDER BY lepton_similarity(embedding, lepton_embed(q, 'tiny')) DESC LIMIT 1$$;
SELECT nearest('message number 150');
DO $$ DECLARE n int := 0; v real[]; BEGIN
	FOR i IN 1..20 LOOP v := lepton_embed('text ' || i, 'tiny'); n := n + cardinality(v); END LOOP;
	RAISE NOTICE '% values', n;
END $$;

-- Prepared statements, generic and custom plans; cursors; CTEs; subqueries; aggregates; windows; set operations.
PREPARE p (text) AS SELECT lepton_embed($1, 'tiny') = lepton_embed('a text', 'tiny') AS same;
SET plan_cache_mode = force_generic_plan;
EXECUTE p ('a text');
SET plan_cache_mode = force_custom_plan;
EXECUTE p ('a text');
RESET plan_cache_mode;
EXECUTE p (NULL);
PREPARE m (text, text) AS SELECT cardinality(lepton_embed($1, $2));
EXECUTE m ('a', 'tiny');
EXECUTE m ('a', 'none');
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id, kind = lepton_classify(body, 'kinds') AS same FROM mail WHERE id < 5 ORDER BY id;
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
FETCH ALL FROM c;
COMMIT;
BEGIN;
DECLARE h CURSOR WITH HOLD FOR SELECT id, cardinality(lepton_embed(body, 'tiny')) FROM mail WHERE id < 3 ORDER BY id;
COMMIT;
FETCH ALL FROM h;
CLOSE h;
WITH x AS MATERIALIZED (SELECT id, lepton_embed(body, 'tiny') AS e FROM mail WHERE id < 3)
	SELECT a.id, b.id, round(lepton_similarity(a.e, b.e)::numeric, 3) BETWEEN -1 AND 1 AS ok FROM x a, x b WHERE a.id < b.id;
WITH RECURSIVE r(n, t) AS (SELECT 1, 'a' UNION ALL SELECT n + 1, t || ' a' FROM r WHERE n < 5)
	SELECT n, cardinality(lepton_tokenize(t, 'tiny')) FROM r;
SELECT lepton_classify(body, 'kinds') IS NULL AS none, count(*) FROM mail WHERE id <= 4 GROUP BY ROLLUP (1) ORDER BY 1, 2;
SELECT count(*) = count(DISTINCT id) AS ok FROM (SELECT id, rank() OVER (PARTITION BY lepton_classify(body, 'kinds') ORDER BY id) FROM mail) x;
SELECT count(*) FROM (SELECT lepton_classify(body, 'kinds') FROM mail UNION SELECT 'ham' EXCEPT SELECT 'none') x WHERE lepton_classify IS NOT NULL;
SELECT id FROM mail WHERE id IN (1, 2) AND (SELECT lepton_classify(body, 'kinds')) = ANY (SELECT unnest(labels) FROM lepton_models) ORDER BY id;
WITH gone AS (DELETE FROM mail WHERE id = 299 RETURNING id, lepton_classify(body, 'kinds') = kind AS same) SELECT * FROM gone;
MERGE INTO mail m USING (VALUES (500, 'merged')) v(id, body) ON m.id = v.id WHEN NOT MATCHED THEN INSERT (id, body) VALUES (v.id, v.body);
SELECT embedding = lepton_embed('merged', 'tiny') AS e FROM mail WHERE id = 500;

-- Partitions, row security, temporary tables, VACUUM and ALTER TABLE that rewrite.
CREATE TABLE parts (id int, body text, kind text GENERATED ALWAYS AS (lepton_classify(body, 'kinds')) STORED) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
INSERT INTO parts (id, body) SELECT i, 'text ' || i FROM generate_series(0, 19) i;
SELECT tableoid::regclass, count(kind) FROM parts GROUP BY 1 ORDER BY 1;
DROP VIEW kinds_view CASCADE;
ALTER TABLE mail ALTER COLUMN id TYPE bigint;
SELECT bool_and(embedding = lepton_embed(body, 'tiny')) AS e FROM mail WHERE id < 300;
ALTER TABLE mail ENABLE ROW LEVEL SECURITY;
CREATE POLICY no_spam ON mail USING (lepton_classify(body, 'kinds') <> 'spam');
SELECT bool_and(embedding = lepton_embed(body, 'tiny')) AS e FROM mail WHERE id < 5;

-- CREATE TABLE AS.
CREATE TEMP TABLE t AS SELECT lepton_embed('a', 'tiny') AS e;
SELECT cardinality(e) FROM t;
DROP TABLE mail, defaults, parts CASCADE;
DROP FUNCTION route, nearest;
SELECT lepton_drop_model(name::text) FROM lepton_models;
