-- What computing rows together does, and what it does not do: counted by lepton_stat_models.
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
\set classify :dir '/data/tiny_classify'
-- A new session: the library is not there when it begins.
\c
SELECT batching, reason, remedy = format('ALTER DATABASE %I SET session_preload_libraries = lepton', current_database()) AS remedy FROM lepton_batching;
SET lepton.enable_batching = off;
SELECT * FROM lepton_batching;
SET lepton.enable_batching = on;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET session_preload_libraries = lepton', current_database()); END $$;
\c
SELECT * FROM lepton_batching;

SELECT name FROM lepton_load_model('tiny', :'tiny');
SELECT name FROM lepton_load_model('kinds', :'classify');
CREATE TABLE mail (id int, body text, folder int, kind text);
INSERT INTO mail SELECT i, CASE WHEN i % 10 <> 0 THEN 'body ' || i % 40 END, i % 4 FROM generate_series(1, 200) i;
ANALYZE mail;
SET max_parallel_workers_per_gather = 0;
CREATE VIEW done AS SELECT name, "rows", tokens, batches FROM lepton_stat_models WHERE calls > 0 ORDER BY name;

-- NULL costs nothing; a repeated text is computed once.
SELECT lepton_stat_reset();
SELECT count(lepton_embed(body, 'tiny')) FROM mail;
SELECT * FROM done;
-- Each call once a row, wherever it stands; one run for calls of the same model and text.
SELECT lepton_stat_reset();
SELECT count(a), sum(b), round(sum(c)) FROM (SELECT lepton_embed(body, 'tiny') a, cardinality(lepton_embed(body, 'tiny')) b, lepton_similarity(body, body, 'tiny') c FROM mail OFFSET 0) x;
SELECT * FROM done;
-- The filter runs first: what it drops is not embedded.
SELECT lepton_stat_reset();
SELECT count(lepton_embed(body, 'tiny')) FROM mail WHERE lepton_classify(body, 'kinds') = 'none';
SELECT name, "rows" FROM done;
SELECT lepton_stat_reset();
SELECT count(lepton_embed(body, 'tiny')) FROM mail WHERE folder = 1 AND lepton_classify(body, 'kinds') <> 'none';
SELECT name, "rows" FROM done;
-- Branches that are not taken cost nothing.
SELECT lepton_stat_reset();
SELECT count(CASE WHEN id <= 5 THEN lepton_classify(body, 'kinds') END) FROM mail;
SELECT name, "rows" FROM done;
-- LIMIT: no more rows than are asked for.
SELECT lepton_stat_reset();
SELECT count(k) FROM (SELECT lepton_classify(body, 'kinds') k FROM mail WHERE id % 10 <> 0 LIMIT 5) x;
SELECT name, "rows" FROM done;
SELECT lepton_stat_reset();
SELECT count(k) FROM (SELECT id, lepton_classify(body, 'kinds') k FROM mail WHERE id % 10 <> 0 ORDER BY id OFFSET 2 LIMIT 5) x;
SELECT name, "rows" FROM done;
PREPARE few (int) AS SELECT id, lepton_classify(body, 'kinds') IS NULL AS none FROM mail WHERE id % 10 <> 0 LIMIT $1;
SET plan_cache_mode = force_generic_plan;
SELECT lepton_stat_reset();
EXECUTE few (3);
SELECT name, "rows" FROM done;
RESET plan_cache_mode;
-- Without a known end windows grow from small ones.
SELECT lepton_stat_reset();
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT id, lepton_classify(body, 'kinds') IS NULL AS none FROM mail WHERE id % 10 <> 0;
FETCH 1 FROM c;
COMMIT;
SELECT name, "rows" FROM done;

-- Constants: once a statement, never for EXPLAIN.
SELECT lepton_stat_reset();
SELECT count(*) FROM mail WHERE lepton_classify('a text', 'kinds') <> 'none' OR kind = lepton_classify('a text', 'kinds');
SELECT name, "rows" FROM done;
SELECT lepton_stat_reset();
SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY lepton_similarity(lepton_embed('a text'), lepton_embed('a text')) + id) AS n FROM mail) x WHERE n > 0;
SELECT name, "rows" FROM done;
SELECT lepton_stat_reset();
DO $$ DECLARE q text; line text; BEGIN
	FOREACH q IN ARRAY ARRAY['SELECT lepton_embed(''a'', ''tiny'')', 'SELECT lepton_embed(''a'')', 'SELECT id FROM mail WHERE kind = lepton_classify(''a'')',
		'SELECT id FROM mail WHERE kind = lepton_classify(''a'', ''kinds'')', 'SELECT id FROM mail ORDER BY lepton_similarity(body, ''a'', ''tiny'')',
		'SELECT id FROM mail ORDER BY lepton_similarity(lepton_embed(body), lepton_embed(''a'')) LIMIT lepton_similarity(''a'', ''b'', ''tiny'')::int',
		'INSERT INTO mail (kind) VALUES (lepton_classify(''a'', ''kinds''))', 'INSERT INTO mail (kind) VALUES (lepton_classify(''a'', ''kinds'')), (lepton_classify(''b'', ''kinds''))',
		'UPDATE mail SET kind = lepton_classify(''a'', ''kinds'')', 'SELECT lepton_classify(''a'', ''kinds'') UNION SELECT lepton_classify(''b'', ''kinds'')',
		'SELECT lepton_embed(body, ''tiny''), lepton_classify(body) FROM mail'] LOOP
		FOR line IN EXECUTE 'EXPLAIN (VERBOSE) ' || q LOOP NULL; END LOOP;
	END LOOP;
END $$;
SELECT count(*) FROM done;
PREPARE constant (text) AS SELECT count(*) FROM mail WHERE lepton_similarity(body, $1, 'tiny') IS NULL OR kind = lepton_classify($1, 'kinds');
EXECUTE constant ('a');
EXPLAIN (COSTS OFF, SUMMARY OFF) SELECT lepton_classify('a', 'kinds');

-- EXPLAIN ANALYZE, of one process and of several.
CREATE FUNCTION explained(query text) RETURNS TABLE (said text) LANGUAGE plpgsql AS $$ DECLARE line text; BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
		said := trim(regexp_replace(line, 'rows=[0-9.]+ loops=', 'loops='));
		IF line ~ 'Model|Precision|Computed|Tokens|Tokenizer|Workers Launched|LeptonBatch' THEN RETURN NEXT; END IF;
	END LOOP; END $$;
SELECT * FROM explained('SELECT lepton_embed(body, ''tiny''), lepton_classify(body) FROM mail');
SELECT * FROM explained('SELECT lepton_embed(body, ''tiny'') FROM mail LIMIT 3');
CREATE TABLE many AS SELECT i AS id, 'text ' || i AS body FROM generate_series(1, 3000) i;
ANALYZE many;
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SELECT regexp_replace(said, 'Launched: [0-9]', 'Launched: n') AS said FROM explained('SELECT lepton_embed(body, ''tiny'') FROM many') WHERE said !~ 'Tokens|loops';
SELECT sum((lepton_embed(body, 'tiny'))[1]::numeric) = (SELECT sum(v) FROM (SELECT (lepton_embed(body, 'tiny'))[1]::numeric AS v FROM many ORDER BY id DESC OFFSET 0) x) AS same FROM many;
SET max_parallel_workers_per_gather = 0;
EXPLAIN (ANALYZE, FORMAT JSON, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) SELECT lepton_classify(body, 'kinds') FROM mail LIMIT 2 \g |grep -cE '"(Model|Precision|Rows Computed|Tokens|Batches|Duplicates Saved)"'

-- A trigger for each statement tags all rows of a COPY together.
CREATE FUNCTION tag() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	UPDATE mail SET kind = lepton_classify(n.body, 'kinds') FROM added n WHERE mail.id = n.id;
	RETURN NULL;
END $$;
CREATE TRIGGER tag AFTER INSERT ON mail REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tag();
SELECT lepton_stat_reset();
COPY mail (id, body) FROM stdin;
1001	one more
1002	and one
1003	\N
1004	another
1005	the last
\.
SELECT * FROM done;
SELECT id, kind = lepton_classify(body, 'kinds') AS tagged FROM mail WHERE id > 1000 ORDER BY id;

-- A model that changes hands while a plan is cached.
PREPARE kept AS SELECT DISTINCT lepton_classify(body) = lepton_classify(body, 'second') AS second FROM mail WHERE body IS NOT NULL;
SELECT name FROM lepton_load_model('second', :'classify');
EXECUTE kept;
SELECT lepton_set_default('second');
EXECUTE kept;
SELECT lepton_drop_model('second');
EXECUTE kept;

DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET session_preload_libraries', current_database()); END $$;
DROP TABLE mail, many CASCADE;
DROP VIEW done;
DROP FUNCTION tag, explained;
SELECT lepton_drop_model(name::text) FROM lepton_models;
