-- EXPLAIN without ANALYZE runs no model, wherever the constants of calls come from.
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
\set classify :dir '/data/tiny_classify'
LOAD 'lepton';
SELECT name FROM lepton_load_model('tiny', :'tiny');
SELECT name FROM lepton_load_model('kinds', :'classify');
CREATE TABLE mail (id int, body text, kind text);
INSERT INTO mail SELECT i, 'body ' || i, 'kind ' || i % 9 FROM generate_series(1, 300) i;
CREATE TABLE parts (kind text, body text) PARTITION BY LIST (kind);
CREATE TABLE parts_ham PARTITION OF parts FOR VALUES IN ('ham');
CREATE TABLE parts_rest PARTITION OF parts DEFAULT;
CREATE INDEX ON mail (kind);
ANALYZE mail;
SET max_parallel_workers_per_gather = 0;
CREATE FUNCTION kind_of(x text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT lepton_classify(x, 'kinds') $$;
CREATE FUNCTION stable_kind(x text) RETURNS text LANGUAGE sql STABLE AS $$ SELECT lepton_classify(x) $$;
CREATE FUNCTION likeness(x text) RETURNS real LANGUAGE sql IMMUTABLE
	AS $$ SELECT lepton_similarity(lepton_embed(x, 'tiny'), lepton_embed('in a body', 'tiny')) $$;
CREATE FUNCTION slow_kind(x text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN lepton_classify(x, 'kinds'); END $$;
CREATE FUNCTION caught_kind(x text) RETURNS text LANGUAGE plpgsql STABLE
	AS $$ BEGIN RETURN lepton_classify(x, 'kinds'); EXCEPTION WHEN OTHERS THEN RETURN 'caught'; END $$;
CREATE FUNCTION no_kind() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT lepton_classify('nothing given', 'kinds') $$;
CREATE FUNCTION search(q text, n int) RETURNS TABLE (id int, score real) LANGUAGE sql STABLE
	AS $$ SELECT m.id, lepton_similarity(m.body, q, 'tiny') FROM mail m ORDER BY lepton_similarity(lepton_embed(q, 'tiny'), lepton_embed('x', 'tiny')), 2 LIMIT n $$;
CREATE VIEW asked AS SELECT 'asked in a view'::text AS q;

CREATE FUNCTION find(q text) RETURNS SETOF mail LANGUAGE sql STABLE
	AS $$ SELECT * FROM mail ORDER BY lepton_similarity(lepton_embed(body, 'tiny'), lepton_embed(q, 'tiny')) LIMIT 3 $$;

-- Explain a statement; say how many calls that made, and whether it shows a plan.
CREATE FUNCTION calls() RETURNS bigint LANGUAGE sql AS $$ SELECT sum(calls) + sum(rows) FROM lepton_stat_models $$;
CREATE PROCEDURE quiet(query text, options text DEFAULT 'VERBOSE') LANGUAGE plpgsql AS $$
DECLARE
	before bigint := calls();
	line text;
	lines int := 0;
BEGIN
	FOR line IN EXECUTE format('EXPLAIN (%s) %s', options, query) LOOP
		lines := lines + 1;
		IF line LIKE '%$33554%' THEN
			RAISE INFO 'a constant is still hidden: %', line;
		END IF;
	END LOOP;
	RAISE INFO '% calls, a plan: %', calls() - before, lines > 0;
END $$;
SELECT lepton_stat_reset();

-- In the statement itself.
CALL quiet($$ SELECT lepton_classify('a', 'kinds'), lepton_classify('a') $$);
CALL quiet($$ SELECT id FROM mail WHERE kind = lepton_classify('a', 'kinds') $$);
CALL quiet($$ SELECT id FROM mail ORDER BY lepton_similarity(lepton_embed(body, 'tiny'), lepton_embed('a', 'tiny')) LIMIT 5 $$);
CALL quiet($$ SELECT id FROM mail WHERE lepton_similarity(lepton_embed('a'), lepton_embed('b')) > 0.5 AND id < 5 $$);
CALL quiet($$ SELECT 1 / length(lepton_classify('a', 'kinds')), (lepton_embed('a', 'tiny'))[1] / 0 $$);

-- In columns of subqueries, CTEs, views, lists of values.
CALL quiet($$ SELECT lepton_classify(q, 'kinds') FROM (SELECT 'a'::text AS q) s $$);
CALL quiet($$ WITH s AS (SELECT 'a'::text AS q) SELECT id FROM mail, s WHERE kind = lepton_classify(q, 'kinds') $$);
CALL quiet($$ SELECT id, lepton_classify(q, 'kinds') FROM mail, asked WHERE id < 3 $$);
CALL quiet($$ SELECT lepton_classify(q, 'kinds') FROM (VALUES ('one')) v (q) $$);
CALL quiet($$ SELECT lepton_classify(q, 'kinds') FROM (SELECT 'a'::text AS q UNION ALL SELECT 'b') s $$);
CALL quiet($$ SELECT * FROM (SELECT CASE WHEN x = 1 THEN lepton_classify('case', 'kinds') END FROM (SELECT 1 AS x) s) r $$);
CALL quiet($$ INSERT INTO mail (id, kind) VALUES (1, lepton_classify('a', 'kinds')), (2, lepton_classify('b', 'kinds')) $$);
SELECT format('VALUES %s', string_agg(format('(lepton_classify(%L, ''kinds''))', 'text ' || i), ', ')) AS list FROM generate_series(1, 40) i \gset
CALL quiet(:'list');

-- In functions: inlined, of other languages, with constants of their own, returning sets.
CALL quiet($$ SELECT id FROM mail WHERE kind = kind_of('a') $$);
CALL quiet($$ SELECT id FROM mail WHERE kind = stable_kind('a') $$);
CALL quiet($$ SELECT id FROM mail WHERE likeness(body) > 0.5 AND kind_of(body) = 'ham' $$);
CALL quiet($$ SELECT kind_of('a'), slow_kind('b'), no_kind() $$);
CALL quiet($$ SELECT id FROM mail WHERE kind = slow_kind('a') $$);
CALL quiet($$ SELECT id FROM mail WHERE kind = caught_kind('a') $$);
CALL quiet($$ SELECT id FROM mail WHERE kind = no_kind() AND id > 5 $$);
CALL quiet($$ SELECT * FROM search('a', 5) $$);
CALL quiet($$ SELECT s.* FROM mail, search(body, 3) s $$);
CALL quiet($$ SELECT * FROM find('a') $$);
CALL quiet($$ SELECT * FROM find('a') f JOIN mail USING (id) WHERE f.kind = 'kind {PARAM :paramkind 0 :paramid 33554432}' $$);

-- Partitions: while planning, and when the executor begins.
CALL quiet($$ SELECT body FROM parts WHERE kind = lepton_classify('a', 'kinds') $$);
CALL quiet($$ SELECT body FROM parts WHERE kind = kind_of('a') $$);
CALL quiet($$ SELECT body FROM parts WHERE kind = stable_kind('a') $$);

-- Prepared statements, with plans of their own and generic ones; cursors; tables made.
PREPARE one (text) AS SELECT id FROM mail WHERE kind = kind_of($1) AND lepton_classify($1, 'kinds') <> 'x';
CALL quiet($$ EXECUTE one ('a') $$);
SET plan_cache_mode = force_generic_plan;
CALL quiet($$ EXECUTE one ('a') $$);
EXECUTE one ('a');
RESET plan_cache_mode;
CALL quiet($$ DECLARE c CURSOR FOR SELECT kind_of('a') $$);
CALL quiet($$ CREATE TABLE made AS SELECT kind_of('a') $$);

-- With batching off too; and what is not lepton's errors as ever.
SET lepton.enable_batching = off;
CALL quiet($$ SELECT id FROM mail WHERE kind = lepton_classify('a', 'kinds') $$);
RESET lepton.enable_batching;
CALL quiet($$ SELECT 1 / 0, lepton_classify('a', 'kinds') $$);
SELECT calls() AS not_by_explaining;
CALL quiet($$ SELECT count(*) FROM mail WHERE kind = kind_of('a') $$, 'ANALYZE, COSTS OFF');
DROP VIEW asked;
DROP FUNCTION find(text);
DROP TABLE mail, parts;
DROP PROCEDURE quiet(text, text);
DROP FUNCTION kind_of(text), stable_kind(text), likeness(text), slow_kind(text), caught_kind(text), no_kind(), search(text, int), calls();
SELECT lepton_drop_model(name) FROM lepton_models ORDER BY name;
