-- A finance news monitor: companies and amounts in headlines, what a headline means for them, and an alert by NOTIFY.
-- Paste it into psql in the root of the clone, in a database that has the model "minilm" (examples/quickstart psql). Sentiment
-- is learnt from the labelled headlines below; the model of companies is a toy that examples/make_entities.py has trained on
-- made-up sentences. The headlines are made up too.

\set QUIET on
\pset pager off
\pset footer off
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS news CASCADE;
CREATE SCHEMA news;
SET search_path = news, public;

DO $$ BEGIN PERFORM lepton_drop_model(name::text, cascade => true) FROM lepton_models WHERE name IN ('toy_entities', 'mood'); END $$;
CREATE TEMPORARY TABLE files (path text, part int, data bytea);
\set content `base64 -w0 examples/entities/config.json`
INSERT INTO files VALUES ('config.json', 0, decode(:'content', 'base64'));
\set content `base64 -w0 examples/entities/tokenizer.json`
INSERT INTO files VALUES ('tokenizer.json', 0, decode(:'content', 'base64'));
\set content `base64 -w0 examples/entities/tokenizer_config.json`
INSERT INTO files VALUES ('tokenizer_config.json', 0, decode(:'content', 'base64'));
\set content `base64 -w0 examples/entities/model.safetensors`
INSERT INTO files VALUES ('model.safetensors', 0, decode(:'content', 'base64'));
SELECT name, task, labels FROM lepton_load_model('toy_entities', 'files'::regclass);
DROP TABLE files;

\echo
\echo '== Learn what headlines mean'
CREATE TABLE learnt (headline text, mood text);
INSERT INTO learnt VALUES
	('Shares fall after weak quarter', 'bad'), ('Profit warning sends shares lower', 'bad'), ('Company cuts 500 jobs after a loss', 'bad'),
	('Court fines bank over data leak', 'bad'), ('Factory closes after fire', 'bad'), ('Airline cancels flights as strike goes on', 'bad'),
	('Retailer files for bankruptcy', 'bad'), ('Recall of 3000 cars because of faulty brakes', 'bad'), ('Chief executive resigns after scandal', 'bad'),
	('Sales drop for the third year', 'bad'), ('Regulator blocks takeover', 'bad'), ('Debt rating cut to junk', 'bad'),
	('Record profit in the third quarter', 'good'), ('Company raises its dividend as sales grow', 'good'), ('Shares jump after strong results', 'good'),
	('New drug approved', 'good'), ('Bank wins large contract', 'good'), ('Orders rise faster than expected', 'good'),
	('Analysts lift their targets', 'good'), ('Company hires 500 engineers for a new plant', 'good'), ('Takeover approved, shareholders get a premium', 'good'),
	('Debt rating raised', 'good'), ('Car maker sells more cars than ever', 'good'), ('Start-up gets new money from investors', 'good');
SELECT model, labels, n_train, n_test FROM lepton_train('mood', 'minilm', 'SELECT headline, mood FROM news.learnt');

CREATE TABLE article (
	id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	headline text NOT NULL,
	mood text GENERATED ALWAYS AS (lepton_classify(headline, 'mood')) STORED
);
CREATE TABLE mention (article int REFERENCES article ON DELETE CASCADE, label text, entity text, score real, "start" int, "end" int);
CREATE TABLE watched (company text PRIMARY KEY);
INSERT INTO watched VALUES ('Nordan Bank'), ('Velira Motors');

\echo
\echo '== New articles: find companies and amounts, and tell whoever listens about bad news of watched companies'
CREATE FUNCTION scan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO mention
		SELECT n.id, e.label, e.entity, e.score, e."start", e."end"
		FROM new_articles n, lepton_entities(n.headline, 'toy_entities', aggregation => 'first') e;
	PERFORM pg_notify('alerts', json_build_object('company', w.company, 'headline', n.headline)::text)
		FROM new_articles n JOIN mention m ON m.article = n.id JOIN watched w ON lower(w.company) = lower(m.entity)
		WHERE n.mood = 'bad' AND m.label = 'ORG';
	RETURN NULL;
END $$;
CREATE TRIGGER scan AFTER INSERT ON article REFERENCING NEW TABLE AS new_articles
	FOR EACH STATEMENT EXECUTE FUNCTION scan();

LISTEN alerts;
INSERT INTO article (headline) VALUES
	('Velira Motors recalls 3000 cars'),
	('Tomasa Energy reports record profit of $420 million'),
	('Court fines Nordan Bank $35 million over data leak'),
	('Nordan Bank raises its dividend as sales grow'),
	('Strike at Delona Airlines enters second week');

SELECT a.id, a.mood, a.headline, string_agg(m.label || ' ' || m.entity, ', ' ORDER BY m."start") AS mentions
FROM article a LEFT JOIN mention m ON m.article = a.id GROUP BY a.id ORDER BY a.id;

\echo
\echo '== Mood by company'
SELECT m.entity AS company, count(*) FILTER (WHERE a.mood = 'good') AS good, count(*) FILTER (WHERE a.mood = 'bad') AS bad
FROM mention m JOIN article a ON a.id = m.article WHERE m.label = 'ORG' GROUP BY 1 ORDER BY 3 DESC, 1;

UNLISTEN alerts;
RESET search_path;
RESET client_min_messages;
