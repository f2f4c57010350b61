-- lepton_classify_trigger and lepton_embed_trigger, in the way of tsvector_update_trigger.
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
\set classify :dir '/data/tiny_classify'
SELECT name FROM lepton_load_model('tiny', :'tiny');
SELECT name FROM lepton_load_model('kinds', :'classify');
CREATE TABLE inbox (id int, subject text, body varchar(1000), padding char(5), tag text, short varchar(2), e real[], n int, other text);
CREATE TRIGGER tag BEFORE INSERT OR UPDATE ON inbox FOR EACH ROW EXECUTE FUNCTION lepton_classify_trigger(tag, kinds, subject, body);
CREATE TRIGGER vector BEFORE INSERT OR UPDATE ON inbox FOR EACH ROW EXECUTE FUNCTION lepton_embed_trigger('e', 'tiny', 'subject', 'body');
INSERT INTO inbox (id, subject, body) VALUES (1, 'Invoice', 'It is overdue'), (2, NULL, 'only a body'), (3, 'only a subject', NULL), (4, NULL, NULL), (5, '', '');
SELECT id, tag = lepton_classify(CASE WHEN id = 5 THEN E'\n' ELSE concat_ws(E'\n', subject, body) END, 'kinds') AS tag,
	e = lepton_embed(concat_ws(E'\n', subject, body), 'tiny') AS e FROM inbox ORDER BY id;
-- An update computes anew when it sets a source column, whatever is in it.
UPDATE inbox SET tag = 'by hand' WHERE id = 1;
SELECT tag FROM inbox WHERE id = 1;
UPDATE inbox SET subject = subject WHERE id = 1;
SELECT tag <> 'by hand' AS anew FROM inbox WHERE id = 1;
UPDATE inbox SET body = NULL, subject = NULL WHERE id = 1;
SELECT tag IS NULL AS tag, e IS NULL AS e FROM inbox WHERE id = 1;
-- COPY fires it too.
COPY inbox (id, subject) FROM stdin;
20	copied
\.
SELECT tag = lepton_classify('copied', 'kinds') AS tag FROM inbox WHERE id = 20;
DROP TRIGGER tag ON inbox;
DROP TRIGGER vector ON inbox;

-- Arguments.
\set make 'CREATE OR REPLACE TRIGGER bad BEFORE INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION'
:make lepton_classify_trigger();
INSERT INTO inbox (id) VALUES (30);
:make lepton_classify_trigger(tag, kinds);
INSERT INTO inbox (id) VALUES (30);
:make lepton_classify_trigger(nothere, kinds, subject);
INSERT INTO inbox (id) VALUES (30);
:make lepton_classify_trigger(tag, kinds, nothere);
INSERT INTO inbox (id) VALUES (30);
:make lepton_classify_trigger(tag, nothere, subject);
INSERT INTO inbox (id, subject) VALUES (30, 'x');
:make lepton_classify_trigger(tag, tiny, subject);
INSERT INTO inbox (id, subject) VALUES (30, 'x');
:make lepton_classify_trigger(tag, kinds, id);
INSERT INTO inbox (id) VALUES (30);
:make lepton_classify_trigger(n, kinds, subject);
INSERT INTO inbox (id, subject) VALUES (30, 'x');
:make lepton_classify_trigger(e, kinds, subject);
INSERT INTO inbox (id, subject) VALUES (30, 'x');
:make lepton_embed_trigger(n, tiny, subject);
INSERT INTO inbox (id, subject) VALUES (30, 'x');
:make lepton_classify_trigger(short, kinds, subject);
INSERT INTO inbox (id, subject) VALUES (30, 'x');
:make lepton_classify_trigger(ctid, kinds, subject);
INSERT INTO inbox (id, subject) VALUES (30, 'x');
:make lepton_embed_trigger(other, tiny, padding);
INSERT INTO inbox (id, padding) VALUES (31, 'x');
SELECT other::real[] = lepton_embed('x', 'tiny') AS as_text FROM inbox WHERE id = 31;
DROP TRIGGER bad ON inbox;
-- Kinds of triggers.
CREATE TRIGGER bad AFTER INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION lepton_classify_trigger(tag, kinds, subject);
INSERT INTO inbox (id, subject) VALUES (30, 'x');
DROP TRIGGER bad ON inbox;
CREATE TRIGGER bad BEFORE INSERT ON inbox FOR EACH STATEMENT EXECUTE FUNCTION lepton_classify_trigger(tag, kinds, subject);
INSERT INTO inbox (id, subject) VALUES (30, 'x');
DROP TRIGGER bad ON inbox;
CREATE TRIGGER bad BEFORE DELETE ON inbox FOR EACH ROW EXECUTE FUNCTION lepton_classify_trigger(tag, kinds, subject);
DELETE FROM inbox WHERE id = 1;
DROP TRIGGER bad ON inbox;
SELECT lepton_classify_trigger();
SELECT count(*) FROM inbox WHERE id = 30;
-- Partitioned tables, and a dropped column in the middle.
CREATE TABLE parts (a int, gone int, subject text, tag text) PARTITION BY LIST (a);
ALTER TABLE parts DROP COLUMN gone;
CREATE TABLE parts_1 (subject text, a int, tag text);
ALTER TABLE parts ATTACH PARTITION parts_1 FOR VALUES IN (1);
CREATE TRIGGER tag BEFORE INSERT ON parts FOR EACH ROW EXECUTE FUNCTION lepton_classify_trigger(tag, kinds, subject);
INSERT INTO parts VALUES (1, 'x');
SELECT a, subject, tag = lepton_classify('x', 'kinds') AS tag FROM parts;
-- A trigger is in the way of a drop.
SELECT lepton_drop_model('kinds');
DROP TABLE parts, inbox;
SELECT lepton_drop_model(name::text) FROM lepton_models;
