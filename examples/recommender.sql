-- A recommender: each article has its embedding in a generated column, a reader's profile is the average of what was read.
-- With pgvector an index finds the nearest ones. Paste it into psql in a database that has the model "minilm"
-- (examples/quickstart psql). The articles are made up.

\set QUIET on
\pset pager off
\pset footer off
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS shelf CASCADE;
CREATE SCHEMA shelf;
SET search_path = shelf, public;
SELECT count(*) > 0 AS has_vector FROM pg_available_extensions WHERE name = 'vector' \gset

CREATE TABLE article (
	id int PRIMARY KEY,
	title text NOT NULL,
	embedding real[] GENERATED ALWAYS AS (lepton_embed(title, 'minilm')) STORED
);
INSERT INTO article (id, title) VALUES
	(1, 'Bread with a crust: baking at home'), (2, 'The oven, the dough and the yeast'), (3, 'Ten soups for cold days'),
	(4, 'Why pasta needs salted water'), (5, 'Growing tomatoes on a balcony'), (6, 'Herbs that survive the winter'),
	(7, 'The moons of Jupiter'), (8, 'How a telescope is made'), (9, 'What the new space probe will measure'),
	(10, 'A short history of black holes'), (11, 'Query plans and how to read them'), (12, 'Indexes that nobody uses'),
	(13, 'Backups that can be restored'), (14, 'Transactions in plain words'), (15, 'The first kilometre: learning to run'),
	(16, 'Shoes for long runs'), (17, 'Swimming in the sea in spring'), (18, 'Stretching after sport');

CREATE TABLE visit (reader text, article int REFERENCES article, PRIMARY KEY (reader, article));
INSERT INTO visit VALUES ('ann', 1), ('ann', 3), ('ann', 4), ('ben', 7), ('ben', 9), ('cleo', 11), ('cleo', 13), ('cleo', 15);

\echo
\echo '== Profiles: the average of what a reader has read, kept current by a view'
CREATE VIEW profile AS
	SELECT reader, array_agg(mean ORDER BY place)::real[] AS embedding
	FROM (SELECT v.reader, e.place, avg(e.value) AS mean
		FROM visit v JOIN article a ON a.id = v.article, unnest(a.embedding) WITH ORDINALITY e(value, place)
		GROUP BY 1, 2) means
	GROUP BY reader;
SELECT reader, cardinality(embedding) AS dims FROM profile ORDER BY reader;

\echo
\echo '== Three articles for each reader that were not read yet'
SELECT p.reader, r.title, round(r.similarity::numeric, 2) AS similarity
FROM profile p, LATERAL (
	SELECT a.title, lepton_similarity(a.embedding, p.embedding) AS similarity FROM article a
	WHERE NOT EXISTS (SELECT FROM visit v WHERE v.reader = p.reader AND v.article = a.id)
	ORDER BY similarity DESC LIMIT 3) r
ORDER BY p.reader, r.similarity DESC;

\if :has_vector
\echo
\echo '== The same by an index of pgvector'
CREATE EXTENSION IF NOT EXISTS vector SCHEMA public;
ALTER TABLE article ADD COLUMN v vector(384) GENERATED ALWAYS AS (lepton_embed(title, 'minilm')::vector) STORED;
CREATE INDEX ON article USING hnsw (v vector_cosine_ops);
SELECT p.reader, r.title
FROM profile p, LATERAL (
	SELECT a.title, a.v <=> p.embedding::vector AS distance FROM article a
	WHERE NOT EXISTS (SELECT FROM visit v WHERE v.reader = p.reader AND v.article = a.id)
	ORDER BY a.v <=> p.embedding::vector LIMIT 3) r
ORDER BY p.reader, r.distance;
\else
\echo
\echo '== pgvector is not installed here: without it the search looks at every row'
\endif

\echo
\echo '== A new reader has no profile yet: a sentence will do'
SELECT title FROM article ORDER BY lepton_similarity(embedding, lepton_embed('I like stars and planets', 'minilm')) DESC LIMIT 3;

RESET search_path;
RESET client_min_messages;
