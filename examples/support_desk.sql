-- A support desk: route each ticket, find the order number and the angry ones, suggest the nearest ticket that has been answered.
-- Paste it into psql in the root of the clone, in a database that has the model "minilm" (examples/quickstart makes one:
-- examples/quickstart psql). The model of order numbers is a toy that examples/make_entities.py has trained on made-up sentences.

\set QUIET on
\pset pager off
\pset footer off
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS desk CASCADE;
CREATE SCHEMA desk;
SET search_path = desk, public;

\echo
\echo '== The toy model comes from this client: no file access on the server is needed'
DO $$ BEGIN PERFORM lepton_drop_model(name::text, cascade => true) FROM lepton_models WHERE name IN ('toy_entities', 'temper'); END $$;
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
\echo '== Learn what angry messages sound like'
CREATE TABLE learnt (body text, temper text);
INSERT INTO learnt VALUES
	('This is the worst service I have ever seen!', 'angry'), ('I am furious, nobody answers my calls!', 'angry'),
	('Unacceptable! I want my money back at once.', 'angry'), ('You have lied to me, I will never buy here again.', 'angry'),
	('I am sick of waiting, this is outrageous.', 'angry'), ('What a terrible company, shame on you.', 'angry'),
	('Third complaint, still no answer. I have had enough!', 'angry'), ('Your support is useless and rude.', 'angry'),
	('Could you tell me when the parcel will arrive?', 'calm'), ('Thank you for the quick help.', 'calm'),
	('I would like to change my address.', 'calm'), ('How can I send the shoes back?', 'calm'),
	('The order is missing one part, please send it.', 'calm'), ('I forgot my password.', 'calm'),
	('Please send me the invoice again.', 'calm'), ('Which size should I take?', 'calm'), ('The picture shows another colour.', 'calm'),
	('Please refund the second payment.', 'calm');
SELECT model, labels, n_train, n_test FROM lepton_train('temper', 'minilm', 'SELECT body, temper FROM desk.learnt');

CREATE TABLE ticket (
	id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	body text NOT NULL,
	answer text,
	queue text,
	order_number text,
	is_angry boolean,
	embedding real[] GENERATED ALWAYS AS (lepton_embed(body, 'minilm')) STORED
);

\echo
\echo '== Tickets of the past, with their answers'
INSERT INTO ticket (body, answer) VALUES
	('My order 48213 has not arrived yet.', 'Parcels take five working days; here is the link to follow yours.'),
	('I was charged twice for order 7712.', 'We have sent the second payment back.'),
	('How do I change my password?', 'Use "Forgot password" on the login page.'),
	('The lamp arrived broken.', 'We send a new one today; please keep the broken one for the courier.'),
	('The colour is not the one on the photo.', 'You may send it back within 30 days; a label is attached.'),
	('I cannot log in since Monday.', 'Please clear the cookies of our site and try again.'),
	('The invoice has the wrong address.', 'A corrected invoice is attached.');

\echo
\echo '== New tickets are routed as they come in: a trigger on the statement sees all new rows together'
CREATE FUNCTION route() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	-- Queues are described in words, and compared with the ticket by their embeddings: no training.
	UPDATE ticket t SET queue = (
		SELECT split_part(z.label, ':', 1) FROM lepton_zero_shot(t.body, ARRAY[
			'delivery: a parcel that is late, lost or incomplete',
			'payment: a charge, a refund or an invoice',
			'account: a login, a password or an address',
			'quality: a product that is broken or not as described'], 'minilm', hypothesis => '{}') z LIMIT 1)
	FROM new_tickets n WHERE n.id = t.id;
	UPDATE ticket t SET is_angry = lepton_classify(t.body, 'temper') = 'angry'
	FROM new_tickets n WHERE n.id = t.id;
	-- The first order number in the text.
	UPDATE ticket t SET order_number = e.entity
	FROM new_tickets n, LATERAL (
		SELECT entity FROM lepton_entities(n.body, 'toy_entities', aggregation => 'first') e
		WHERE e.label = 'ORDER' ORDER BY e."start" LIMIT 1) e
	WHERE n.id = t.id;
	RETURN NULL;
END $$;
CREATE TRIGGER route AFTER INSERT ON ticket REFERENCING NEW TABLE AS new_tickets
	FOR EACH STATEMENT EXECUTE FUNCTION route();

INSERT INTO ticket (body) VALUES
	('Where is my parcel? The order is 60417.'),
	('Your service is terrible, I am very angry! Order 91123 arrived broken and nobody answers.'),
	('You took the money for order B-5520 two times. Please refund it.'),
	('I forgot my password and cannot log in.'),
	('The shoes look different from the picture.');

SELECT id, queue, is_angry AS angry, order_number, left(body, 60) AS body FROM ticket WHERE answer IS NULL ORDER BY id;

\echo
\echo '== The nearest ticket that has been answered'
SELECT t.id, left(t.body, 44) AS ticket, round(near.similarity::numeric, 2) AS similarity, near.answer AS suggestion
FROM ticket t, LATERAL (
	SELECT a.answer, lepton_similarity(a.embedding, t.embedding) AS similarity
	FROM ticket a WHERE a.answer IS NOT NULL ORDER BY similarity DESC LIMIT 1) near
WHERE t.answer IS NULL ORDER BY t.id;

RESET search_path;
RESET client_min_messages;
