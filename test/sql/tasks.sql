-- The functions of the tasks beyond embedding and classifying single texts: types, options, defaults, errors, who depends on them.
\getenv dir PG_ABS_SRCDIR
\set entities :dir '/data/tasks/wordpiece_entities'
\set answer :dir '/data/tasks/wordpiece_answer'
\set nli :dir '/data/tasks/wordpiece_nli'
\set rank :dir '/data/tasks/wordpiece_rank'
\set mask :dir '/data/tasks/wordpiece_mask'
\set sparse :dir '/data/tasks/wordpiece_sparse'
SELECT lepton_entities('no model at all');
SELECT lepton_load_model('x', :'nli', 'no such task');
SELECT lepton_load_model('x', :'nli', 'entities');
SELECT lepton_load_model('x', :'nli', 'rerank');
SELECT lepton_load_model(NULL, :'nli') IS NULL AS nothing;
SELECT name, task, tasks, "default", default_for FROM lepton_load_model('names', :'entities');
SELECT name, task, tasks, "default", default_for FROM lepton_load_model('finder', :'answer');
SELECT name, task, tasks, "default", default_for FROM lepton_load_model('nli', :'nli');
SELECT name, task, tasks, "default", default_for FROM lepton_load_model('judge', :'rank', task => 'rerank');
SELECT name, task, tasks, "default", default_for FROM lepton_load_model('filler', :'mask', task => 'fill_mask');
SELECT name, task, tasks, "default", default_for FROM lepton_load_model('both', :'mask');
SELECT name, task, tasks, "default", default_for FROM lepton_load_model('splade', :'sparse');

-- Defaults of tasks.
SELECT lepton_set_default('both', 'fill_mask');
SELECT lepton_set_default('both', 'answer');
SELECT lepton_set_default('both', 'nonsense');
SELECT name, default_for FROM lepton_models WHERE default_for <> '{}' ORDER BY name COLLATE "C";
SELECT lepton_set_default('filler');
SELECT name, default_for FROM lepton_models WHERE default_for <> '{}' ORDER BY name COLLATE "C";

-- Forms and types.
SELECT proname, pg_get_function_arguments(oid) AS arguments, pg_get_function_result(oid) AS result, provolatile, proparallel, proisstrict
FROM pg_proc WHERE proname IN ('lepton_entities', 'lepton_answer', 'lepton_rerank', 'lepton_zero_shot', 'lepton_fill_mask', 'lepton_sparse_embed')
ORDER BY proname COLLATE "C", provolatile DESC, oid;

-- Entities.
SELECT entity, label, round(score::numeric, 2) AS score, "start", "end", entity = substr(t, "start" + 1, "end" - "start") AS same
FROM (VALUES ('Jumping microsoft unhappiness, Zürich 東京 of Acme Corp in London.')) v(t), lepton_entities(t, 'names') ORDER BY "start";
SELECT aggregation, count(*), min("start"), max("end") FROM unnest(ARRAY['none', 'simple', 'first', 'average', 'max']) aggregation,
	lepton_entities('Jumping microsoft unhappiness of Acme Corp in London', aggregation => aggregation) GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM lepton_entities(NULL, 'names');
SELECT count(*) FROM lepton_entities('', 'names');
SELECT count(*) FROM lepton_entities(E' \n', 'names');
-- The whole of a long text, in windows.
SELECT max("end") > 1900 AS whole, bool_and(entity = substr(repeat('Angela é ', 222), "start" + 1, "end" - "start")) AS same
FROM lepton_entities(repeat('Angela é ', 222), 'names', stride => 10);
SELECT count(*) > 10 AS many FROM lepton_entities(repeat('Angela met Tim ', 100), 'names', 0);
SELECT lepton_entities('a', 'names', stride => 38);
SELECT lepton_entities('a', 'names', aggregation => 'best');
SELECT lepton_entities('a', 'nli');

-- Answers.
SELECT answer, round(score::numeric, 3) AS score, "start", "end"
FROM lepton_answer('Who lives in London?', 'My name is Sarah Miller and I live in London.');
SELECT count(*), bool_and(answer = substr(c, "start" + 1, "end" - "start")) AS same
FROM (VALUES ('Zürich: My name is Sarah Miller; I live in London. The invoice 4711 arrived late in 東京.')) v(c),
	lepton_answer('Who lives in London?', c, 'finder', top_k => 3, handle_impossible => true);
SELECT count(*) AS one, max("end") > 40 AS behind FROM lepton_answer('when?', repeat('The order arrived. ', 200), 'finder', doc_stride => 2);
SELECT answer, score, "start", "end" FROM lepton_answer('who?', '', 'finder');
SELECT count(*) FROM lepton_answer(NULL, 'a', 'finder');
SELECT lepton_answer('who?', 'a', top_k => 0);
SELECT lepton_answer('who?', 'a', max_answer_len => 0);
SELECT lepton_answer(repeat('who ', 50), 'a');

-- Pairs.
SELECT lepton_classify('I am angry', pair => 'this is great', model => 'nli') = lepton_classify('I am angry', 'this is great', 'nli') AS same,
	lepton_classify('I am angry', pair => 'this is great') = lepton_classify('I am angry', 'this is great', 'nli') AS same_default;
SELECT label, round(score::numeric, 2) AS score FROM lepton_classify_scores('I am angry', pair => 'this is great');
SELECT label, round(score::numeric, 2) AS score FROM lepton_classify_scores('I am angry', 'this is great', 'nli');
SELECT lepton_classify('I am angry', 'nli') = lepton_classify('I am angry') AS a_name_is_a_model;

-- Reranking.
SELECT d FROM unnest(ARRAY['the invoice', 'Paris is the capital of France', 'London']) d ORDER BY lepton_rerank('invoice?', d) DESC;
SELECT round(lepton_rerank('invoice?', 'the invoice', 'judge')::numeric, 3) AS score, lepton_rerank('a', NULL) IS NULL AS none;
SELECT lepton_rerank('a', 'b', 'nli');

-- Labels that the caller gives.
SELECT label, round(score::numeric, 3) AS score FROM lepton_zero_shot('Please refund my money', ARRAY['angry', 'happy', 'refund']);
SELECT round(sum(score)::numeric, 4) AS one FROM lepton_zero_shot('Please refund my money', ARRAY['angry', 'happy', 'refund'], 'nli');
SELECT label, round(score::numeric, 3) AS score
FROM lepton_zero_shot('Please refund my money', ARRAY['angry', 'happy'], multi_label => true, hypothesis => 'It is {}!') ORDER BY label COLLATE "C";
SELECT label, round(score::numeric, 3) AS score FROM lepton_zero_shot('the invoice', ARRAY['invoice', 'London'], 'both', hypothesis => '{}') ORDER BY label COLLATE "C";
SELECT lepton_zero_shot('a', '{}');
SELECT lepton_zero_shot('a', ARRAY['b', NULL]);
SELECT lepton_zero_shot('a', ARRAY['b'], hypothesis => 'no place');
SELECT lepton_zero_shot('a', ARRAY['b'], hypothesis => 'a { brace {}');
SELECT count(*) FROM lepton_zero_shot(NULL, ARRAY['b']);

-- Masks.
SELECT mask, count(*), bool_and(score > 0) AS positive FROM lepton_fill_mask('the [MASK] of [MASK]', top_k => 3) GROUP BY 1 ORDER BY 1;
SELECT token, round(score::numeric, 3) AS score, mask FROM lepton_fill_mask('the [MASK] is late', 'filler', top_k => 2);
SELECT token FROM lepton_fill_mask('the [MASK] is late', 'filler', targets => ARRAY['invoice', 'london', 'invoice']);
SELECT lepton_fill_mask('no mask', 'filler');
SELECT lepton_fill_mask('[MASK]', top_k => 0);
SELECT lepton_fill_mask('[MASK]', targets => ARRAY[NULL]);

-- Sparse embeddings.
SELECT count(*) > 3 AS some, min(weight) > 0 AS positive FROM lepton_sparse_embed('the invoice arrived late');
SELECT token, round(weight::numeric, 2) AS weight FROM lepton_sparse_embed('the invoice arrived late', 'splade') LIMIT 2;

-- Prompts.
SELECT lepton_embed('a', 'both', prompt => 'query: ', literal => true) = lepton_embed('query: a', 'both') AS literal,
	lepton_embed('a', prompt => '', literal => true) = lepton_embed('a') AS none;
SELECT lepton_embed('a', 'both', prompt => 'query');

-- A setting names the model of its task.
SET lepton.entities_model = 'nli';
SELECT lepton_entities('a');
SET lepton.entities_model = 'names';
SELECT count(*) > 0 AS found FROM lepton_entities('Jumping microsoft unhappiness');
RESET lepton.entities_model;

-- Rows of a table, together and one by one.
CREATE TABLE mail (id int PRIMARY KEY, body text);
INSERT INTO mail SELECT i, CASE WHEN i % 7 = 0 THEN NULL ELSE 'Sarah Miller ' || i || ' met Tim Cook in London ' || repeat('late ', i) END FROM generate_series(1, 30) i;
CREATE TEMP TABLE together AS SELECT id, e.* FROM mail, lepton_entities(body, 'names') e;
CREATE TEMP TABLE together_answers AS SELECT id, a.* FROM mail, lepton_answer('who?', body, 'finder', top_k => 2) a;
SET lepton.enable_batching = off;
SELECT count(*) > 0 AS some FROM together;
SELECT * FROM together EXCEPT SELECT id, e.* FROM mail, lepton_entities(body, 'names') e;
SELECT id, answer, "start", "end" FROM together_answers EXCEPT SELECT id, a.answer, a."start", a."end" FROM mail, lepton_answer('who?', body, 'finder', top_k => 2) a;
RESET lepton.enable_batching;

-- What names a model keeps it.
CREATE VIEW named AS SELECT id, e.entity FROM mail, lepton_entities(body, 'names') e;
CREATE VIEW labelled AS SELECT id, z.label FROM mail, lepton_zero_shot(body, ARRAY['late', 'early'], 'nli') z;
ALTER TABLE mail ADD COLUMN rank real GENERATED ALWAYS AS (lepton_rerank('late', body, 'judge')) STORED;
SELECT count(rank) FROM mail;
SELECT lepton_drop_model('names');
SELECT lepton_drop_model('nli');
SELECT lepton_drop_model('judge');
DROP TABLE mail CASCADE;

-- Privileges are those of models.
CREATE ROLE lepton_tasks_user;
SET ROLE lepton_tasks_user;
SELECT lepton_entities('a', 'names');
SELECT lepton_rerank('a', 'b');
RESET ROLE;
DROP ROLE lepton_tasks_user;
SELECT lepton_drop_model(name::text) FROM (SELECT name FROM lepton_models ORDER BY name OFFSET 0) m;
