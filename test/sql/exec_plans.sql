-- Where calls of a query are computed for many rows together: shapes of plans.
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
\set classify :dir '/data/tiny_classify'
SELECT name FROM lepton_load_model('tiny', :'tiny');
SELECT name FROM lepton_load_model('kinds', :'classify');
CREATE TABLE mail (id int, subject text, body text, folder int, kind text);
INSERT INTO mail SELECT i, 'subject ' || i % 50, 'body ' || i, i % 7 FROM generate_series(1, 300) i;
CREATE TABLE note (mail int, body text);
INSERT INTO note SELECT i, 'note ' || i FROM generate_series(1, 100) i;
ANALYZE mail, note;
SET max_parallel_workers_per_gather = 0;

-- A call in the select list, several calls, calls inside expressions, the same call twice.
EXPLAIN (VERBOSE, COSTS OFF) SELECT id, lepton_embed(body, 'tiny') FROM mail;
EXPLAIN (VERBOSE, COSTS OFF) SELECT lepton_embed(body, 'tiny'), lepton_similarity(subject, body, 'tiny'), lepton_classify(body) FROM mail;
EXPLAIN (VERBOSE, COSTS OFF) SELECT upper(lepton_classify(body, 'kinds')) || id, length(lepton_classify(body, 'kinds')) FROM mail;

-- A filter with a call comes before the calls of the select list, and behind what is cheap.
EXPLAIN (VERBOSE, COSTS OFF) SELECT lepton_embed(body, 'tiny') FROM mail WHERE lepton_classify(body, 'kinds') = 'ham' AND folder = 3;
EXPLAIN (COSTS OFF) SELECT id FROM mail WHERE lepton_classify(body, 'kinds') = 'ham' AND lepton_similarity(body, subject, 'tiny') > 0.5;

-- Where an expression comes to a call in some rows only, the others cost nothing.
EXPLAIN (VERBOSE, COSTS OFF) SELECT CASE WHEN folder = 1 THEN lepton_classify(body, 'kinds') ELSE 'other' END FROM mail;
EXPLAIN (VERBOSE, COSTS OFF) SELECT coalesce(kind, lepton_classify(body, 'kinds')) FROM mail WHERE folder = 1 OR lepton_similarity(body, 'x', 'tiny') > 0;
EXPLAIN (VERBOSE, COSTS OFF) SELECT CASE WHEN lepton_classify(body, 'kinds') = 'ham' THEN lepton_embed(body, 'tiny') END FROM mail;
EXPLAIN (VERBOSE, COSTS OFF) SELECT lepton_classify(lepton_classify(body, 'kinds'), 'kinds') FROM mail;

-- Joins: arguments of both sides, the join's own condition, keys of a hash join.
SET enable_mergejoin = off;
SET enable_nestloop = off;
EXPLAIN (COSTS OFF) SELECT lepton_similarity(mail.body, note.body, 'tiny') FROM mail JOIN note ON note.mail = mail.id;
EXPLAIN (COSTS OFF) SELECT * FROM mail JOIN note ON note.mail = mail.id AND lepton_similarity(mail.body, note.body, 'tiny') > 0.5;
EXPLAIN (COSTS OFF) SELECT * FROM mail JOIN note ON lepton_classify(mail.body, 'kinds') = lepton_classify(note.body, 'kinds');
EXPLAIN (COSTS OFF) SELECT * FROM mail LEFT JOIN note ON note.mail = mail.id AND lepton_similarity(mail.body, note.body, 'tiny') > 0.5;
RESET enable_mergejoin;
RESET enable_nestloop;

-- Aggregates, windows, sorting, set-returning functions.
EXPLAIN (COSTS OFF) SELECT lepton_classify(body, 'kinds') AS kind, count(*) FROM mail GROUP BY 1 ORDER BY 1;
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(lepton_classify(body, 'kinds')), count(*) FILTER (WHERE lepton_classify(subject, 'kinds') = 'ham') FROM mail;
EXPLAIN (COSTS OFF) SELECT folder, lepton_classify(max(body), 'kinds') FROM mail GROUP BY folder HAVING lepton_classify(min(body), 'kinds') = 'ham';
EXPLAIN (COSTS OFF) SELECT id FROM mail ORDER BY lepton_similarity(body, 'an invoice', 'tiny') DESC LIMIT 5;
EXPLAIN (COSTS OFF) SELECT id, lepton_embed(body, 'tiny') FROM mail ORDER BY id LIMIT 5;
EXPLAIN (COSTS OFF) SELECT id, unnest(lepton_embed(body, 'tiny')) FROM mail;

-- Subqueries, CTEs, recursion.
EXPLAIN (COSTS OFF) WITH x AS MATERIALIZED (SELECT id, lepton_classify(body, 'kinds') AS kind FROM mail) SELECT kind, count(*) FROM x GROUP BY kind;
EXPLAIN (COSTS OFF) SELECT id FROM mail WHERE id IN (SELECT mail FROM note WHERE lepton_classify(body, 'kinds') = 'ham');

-- Writes.
EXPLAIN (COSTS OFF) INSERT INTO mail SELECT id + 1000, subject, body, 1, lepton_classify(body, 'kinds') FROM mail;
EXPLAIN (COSTS OFF) UPDATE mail SET kind = lepton_classify(body, 'kinds') WHERE kind IS NULL;
EXPLAIN (COSTS OFF) DELETE FROM mail WHERE lepton_classify(body, 'kinds') = 'spam';
EXPLAIN (COSTS OFF) CREATE TABLE made AS SELECT lepton_classify(body, 'kinds') FROM mail;

-- Row security: what is behind a call in the filter stays behind it.
CREATE FUNCTION cheap(text) RETURNS boolean LANGUAGE plpgsql STABLE COST 0.0001 AS $$ BEGIN RETURN true; END $$;
ALTER TABLE mail ENABLE ROW LEVEL SECURITY;
CREATE POLICY judged ON mail USING (lepton_classify(body, 'kinds') <> 'ham');
CREATE ROLE exec_reader;
GRANT SELECT ON mail TO exec_reader;
SET ROLE exec_reader;
EXPLAIN (COSTS OFF) SELECT id FROM mail WHERE cheap(body) AND folder = 2;
RESET ROLE;
ALTER TABLE mail DISABLE ROW LEVEL SECURITY;

-- Left alone: volatile functions below, models that differ from row to row, definers' functions, no table.
EXPLAIN (COSTS OFF) SELECT lepton_classify(body, 'kinds') FROM (SELECT body, setseed(0.1) FROM mail OFFSET 0) x;
EXPLAIN (COSTS OFF) SELECT lepton_classify(body, subject) FROM mail;
EXPLAIN (VERBOSE, COSTS OFF) SELECT lepton_classify('a text', 'kinds');
-- Volatile functions beside a call are called when a row is asked for.
EXPLAIN (VERBOSE, COSTS OFF) SELECT random(), lepton_classify(body, 'kinds') FROM mail;

-- Cursors that may go backwards or be updated through are as before.
BEGIN;
DECLARE a CURSOR FOR SELECT id, lepton_classify(body, 'kinds') FROM mail;
FETCH 2 FROM a;
MOVE BACKWARD 1 FROM a;
UPDATE mail SET kind = 'seen' WHERE CURRENT OF a;
EXPLAIN (COSTS OFF) DECLARE b CURSOR FOR SELECT id, lepton_classify(body, 'kinds') FROM mail;
EXPLAIN (COSTS OFF) DECLARE b NO SCROLL CURSOR FOR SELECT id, lepton_classify(body, 'kinds') FROM mail;
EXPLAIN (COSTS OFF) DECLARE b CURSOR FOR SELECT id, lepton_classify(body, 'kinds') FROM mail FOR UPDATE;
ROLLBACK;

-- The switch.
SET lepton.enable_batching = off;
EXPLAIN (COSTS OFF) SELECT lepton_embed(body, 'tiny') FROM mail;
RESET lepton.enable_batching;

-- A table of some thousand short rows gets workers when a model looks at it.
RESET max_parallel_workers_per_gather;
CREATE TABLE many AS SELECT i AS id, 'text ' || i AS body FROM generate_series(1, 5000) i;
ANALYZE many;
EXPLAIN (COSTS OFF) SELECT id FROM many;
EXPLAIN (COSTS OFF) SELECT id, lepton_embed(body, 'tiny') FROM many;
EXPLAIN (COSTS OFF) SELECT lepton_classify(body, 'kinds'), count(*) FROM many GROUP BY 1;

DROP TABLE mail, note, many;
DROP FUNCTION cheap;
DROP ROLE exec_reader;
SELECT lepton_drop_model(name::text) FROM lepton_models;
