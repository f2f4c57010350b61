-- A tour: load a model, search real e-mails by meaning, learn to tell spam from ham, tag new mail as it arrives, compress the model.
-- Run by examples/quickstart, or by hand in the root of the clone: psql -v model=/path/to/folder -f examples/quickstart.sql

\set QUIET on
\pset pager off
\pset footer off

CREATE EXTENSION lepton;

\echo
\echo '== Load a Hugging Face folder'
\timing on
SELECT name, task, family, dims, max_tokens, parameters FROM lepton_load_model('minilm', :'model');
\timing off

-- 480 e-mails with their labels, and 120 that arrive later.
CREATE TEMPORARY TABLE sample (id int, split text, label text, subject text, body text);
\copy sample FROM 'examples/data/emails.csv' WITH (FORMAT csv, HEADER)

\echo
\echo '== Embed: a generated column keeps the embedding of each e-mail up to date'
CREATE TABLE mail (
	id int PRIMARY KEY,
	label text NOT NULL,
	subject text NOT NULL,
	body text NOT NULL,
	embedding real[] GENERATED ALWAYS AS (lepton_embed(subject || E'\n' || body, 'minilm')) STORED
);
\echo 'insert 480 e-mails'
\timing on
INSERT INTO mail (id, label, subject, body)
	SELECT id, label, subject, body FROM sample WHERE split = 'train' ORDER BY id;
\timing off

\echo
\echo '== Search by meaning'
PREPARE search (text) AS
	SELECT round(lepton_similarity(embedding, lepton_embed($1, 'minilm'))::numeric, 3) AS similarity, label,
		left(subject, 70) AS subject
	FROM mail ORDER BY 1 DESC LIMIT 5;
\timing on
\echo '"I owe the bank money and need help"'
EXECUTE search ('I owe the bank money and need help');
\echo '"the new version does not compile on my machine"'
EXECUTE search ('the new version does not compile on my machine');
\echo '"news about space and astronomy"'
EXECUTE search ('news about space and astronomy');

\echo
\echo '== Learn a classifier from the labelled e-mails'
SELECT model, labels, n_train, n_test, round(accuracy::numeric, 3) AS accuracy,
	round(embed_ms) AS embed_ms, round(fit_ms) AS fit_ms
FROM lepton_train('spamfilter', 'minilm', $$SELECT subject || E'\n' || body, label FROM mail$$);

\echo
\echo '== Tag new mail as it arrives'
\timing off
CREATE TABLE inbox (id int PRIMARY KEY, subject text, body text, tag text);
CREATE TRIGGER inbox_tag BEFORE INSERT OR UPDATE ON inbox
	FOR EACH ROW EXECUTE FUNCTION lepton_classify_trigger('tag', 'spamfilter', 'subject', 'body');
\echo 'insert 120 new e-mails'
\timing on
INSERT INTO inbox (id, subject, body) SELECT id, subject, body FROM sample WHERE split = 'new' ORDER BY id;
\timing off
SELECT tag, left(subject, 70) AS subject FROM inbox ORDER BY id LIMIT 12;

\echo '== How many tags equal the label that a person gave'
SELECT count(*) AS new_mail, count(*) FILTER (WHERE i.tag = s.label) AS right_tag,
	round(avg((i.tag = s.label)::int), 3) AS accuracy
FROM inbox i JOIN sample s USING (id);

\echo '== A copy of the model that is smaller and faster, and what it changes'
SELECT scheme, count(*) AS operators, pg_size_pretty(sum(bytes_before)) AS before, pg_size_pretty(sum(bytes)) AS after
FROM lepton_quantize('minilm', 'minilm_small', sample => 'SELECT body FROM mail ORDER BY id LIMIT 100') GROUP BY scheme;
SELECT texts, cosine_mean, cosine_min, neighbours, round(speed::numeric, 1) AS times_faster
FROM lepton_compare('minilm', 'minilm_small', 'SELECT subject FROM mail');
SELECT name, task, parent, pg_size_pretty(bytes) AS size FROM lepton_models ORDER BY loaded_at;
