-- Embeddings cast to pgvector's type, where pgvector is installed.
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
SELECT count(*) = 0 AS skip FROM pg_available_extensions WHERE name = 'vector' \gset
\if :skip
\quit
\endif
CREATE EXTENSION vector;
SELECT name FROM lepton_load_model('tiny', :'tiny');
CREATE TABLE mail (id int PRIMARY KEY, body text, v vector(32) GENERATED ALWAYS AS (lepton_embed(body, 'tiny')::vector) STORED, w vector(32));
INSERT INTO mail (id, body, w) SELECT i, 'message number ' || i, lepton_embed('message number ' || i, 'tiny') FROM generate_series(1, 100) i;
SELECT bool_and(v = w) AS assigned FROM mail;
CREATE INDEX ON mail USING hnsw (v vector_cosine_ops);
SET enable_seqscan = off;
DO $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) SELECT id FROM mail ORDER BY v <=> lepton_embed(''message number 42'', ''tiny'')::vector LIMIT 1' LOOP
		IF line LIKE '%Index Scan%' THEN RAISE NOTICE 'by index'; END IF;
	END LOOP;
END $$;
SELECT id FROM mail ORDER BY v <=> lepton_embed('message number 42', 'tiny')::vector LIMIT 1;
RESET enable_seqscan;
SELECT id, abs((1 - (v <=> lepton_embed('lunch', 'tiny')::vector)) - lepton_similarity(body, 'lunch', 'tiny')) < 1e-5 AS near FROM mail WHERE id < 4 ORDER BY id;
CREATE TRIGGER w BEFORE INSERT OR UPDATE ON mail FOR EACH ROW EXECUTE FUNCTION lepton_embed_trigger(w, tiny, body);
INSERT INTO mail (id, body) VALUES (1000, 'by trigger');
SELECT v = w AS same FROM mail WHERE id = 1000;
ALTER TABLE mail ADD COLUMN narrow vector(3);
CREATE TRIGGER n BEFORE INSERT ON mail FOR EACH ROW EXECUTE FUNCTION lepton_embed_trigger(narrow, tiny, body);
INSERT INTO mail (id, body) VALUES (1001, 'by trigger');
DROP TABLE mail;
DROP EXTENSION vector;
SELECT lepton_drop_model('tiny');
