-- Tables that the corpus of queries reads: texts with repeats, NULLs, empty and long ones; partitions; row security.
SET client_min_messages = warning;
CREATE TABLE t (id int PRIMARY KEY, body text, g int, other text, e real[], label text);
INSERT INTO t SELECT i,
	CASE WHEN i % 13 = 0 THEN NULL WHEN i % 29 = 0 THEN '' WHEN i % 31 = 0 THEN repeat('long text ' || i || ' ', 60)
		ELSE 'message ' || i % 70 || repeat(' word', i % 5) END,
	i % 10, CASE WHEN i % 7 <> 0 THEN 'other ' || i % 11 END, NULL, 'label ' || i % 4
	FROM generate_series(1, 160) i;
CREATE TABLE u (id int PRIMARY KEY, t_id int, body text, kind text);
INSERT INTO u SELECT i, i * 3 % 160 + 1, CASE WHEN i % 9 <> 0 THEN 'note ' || i % 20 END,
	(ARRAY['ham', 'news', 'spam', 'none'])[i % 4 + 1] FROM generate_series(1, 60) i;
CREATE INDEX u_t ON u (t_id);
CREATE TABLE parts (id int, body text, g int) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (40);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (40) TO (90) PARTITION BY LIST (g);
CREATE TABLE parts_2a PARTITION OF parts_2 FOR VALUES IN (0, 1, 2, 3, 4);
CREATE TABLE parts_2b PARTITION OF parts_2 DEFAULT;
CREATE TABLE parts_3 PARTITION OF parts DEFAULT;
INSERT INTO parts SELECT id, body, g FROM t WHERE id <= 120;
CREATE TABLE parent (id int, body text);
CREATE TABLE child (extra int) INHERITS (parent);
INSERT INTO parent SELECT id, body FROM t WHERE id <= 20;
INSERT INTO child SELECT id, body, g FROM t WHERE id BETWEEN 21 AND 40;
CREATE TABLE empty (id int, body text);
CREATE TABLE wide (id int, body text, junk text);
INSERT INTO wide SELECT i, 'wide ' || i, repeat(md5(i::text), 400) FROM generate_series(1, 40) i;
CREATE TABLE secret (id int, body text, owner text, g int);
INSERT INTO secret SELECT i, CASE WHEN i % 3 = 0 THEN 'SECRET ' || i ELSE 'plain ' || i END, CASE WHEN i % 3 = 0 THEN 'boss' ELSE 'corpus_reader' END, i % 5
	FROM generate_series(1, 45) i;
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON secret USING (owner = current_user);
CREATE TABLE judged (id int, body text, g int);
INSERT INTO judged SELECT id, body, g FROM t WHERE id <= 60;
ALTER TABLE judged ENABLE ROW LEVEL SECURITY;
CREATE POLICY judged_by_model ON judged USING (lepton_classify(body, 'kinds') <> 'ham' AND g > 2);
CREATE VIEW barrier WITH (security_barrier) AS SELECT id, body, g FROM secret WHERE owner <> 'boss';
CREATE VIEW kinds AS SELECT id, g, body, lepton_classify(body, 'kinds') AS kind FROM t;
DO $$ BEGIN CREATE ROLE corpus_reader; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO corpus_reader;
SELECT lepton_grant('tiny', 'corpus_reader'), lepton_grant('kinds', 'corpus_reader');
CREATE FUNCTION seen(text) RETURNS boolean LANGUAGE plpgsql STABLE COST 0.0001 AS $$ BEGIN
	PERFORM set_config('corpus.seen', coalesce(current_setting('corpus.seen', true), '') || ',' || $1, false);
	RETURN true; END $$;
CREATE FUNCTION kind_of(text) RETURNS text LANGUAGE sql STABLE AS $$ SELECT lepton_classify($1, 'kinds') $$;
CREATE FUNCTION slow_kind(x text) RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN lepton_classify(x, 'kinds'); END $$;
CREATE FUNCTION strange_embed(text, text) RETURNS real[] AS '$libdir/lepton', 'lepton_embed' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION volatile_embed(text, text) RETURNS real[] AS '$libdir/lepton', 'lepton_embed' LANGUAGE C VOLATILE STRICT;
CREATE FUNCTION restricted_embed(text, text) RETURNS real[] AS '$libdir/lepton', 'lepton_embed' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION definer_embed(text, text) RETURNS real[] AS '$libdir/lepton', 'lepton_embed' LANGUAGE C STABLE STRICT SECURITY DEFINER;
CREATE SEQUENCE s;
CREATE TABLE target (id int PRIMARY KEY, body text, kind text, e real[], n int);
INSERT INTO target SELECT id, body, NULL, NULL, 0 FROM t WHERE id <= 80;
CREATE TABLE indexed (id int, body text);
INSERT INTO indexed SELECT id, body FROM t;
CREATE INDEX ON indexed (lepton_classify(body, 'kinds'));
ANALYZE;
