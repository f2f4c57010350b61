-- lepton_classify and lepton_classify_scores: labels, order, arrays, NULLs, kinds of problems.
\getenv dir PG_ABS_SRCDIR
\set classify :dir '/data/tiny_classify'
\set multi :dir '/data/tiny_multi'
\set score :dir '/data/tiny_score'
SELECT lepton_classify('no model at all');
SELECT name, labels FROM lepton_load_model('kinds', :'classify');
SELECT name, labels FROM lepton_load_model('tags', :'multi');
SELECT name, labels FROM lepton_load_model('stars', :'score');

SELECT t, lepton_classify(t, 'kinds'), lepton_classify(t) = lepton_classify(t, 'kinds') AS default_is_kinds
FROM unnest(ARRAY['', 'a', 'the invoice is overdue', 'FREE money!!!', 'café', '東京']) t;
SELECT pg_typeof(lepton_classify('a', 'kinds')), lepton_classify(NULL::text, 'kinds') IS NULL AS a, lepton_classify('a', NULL) IS NULL AS b;

SELECT label, round(score::numeric, 3) AS score FROM lepton_classify_scores('the invoice is overdue', 'kinds');
SELECT label, round(score::numeric, 3) AS score FROM lepton_classify_scores('the invoice is overdue');
SELECT round(sum(score)::numeric, 4) AS one, bool_and(score >= 0) AS positive FROM lepton_classify_scores('a', 'kinds');
SELECT label = lepton_classify('a', 'kinds') AS best_first FROM lepton_classify_scores('a', 'kinds') LIMIT 1;
SELECT count(*) FROM lepton_classify_scores(NULL::text, 'kinds');
-- Several labels at a time: each score stands alone.
SELECT label, round(score::numeric, 3) AS score FROM lepton_classify_scores('the invoice is overdue', 'tags');
-- Regression: the number itself.
SELECT label, round(score::numeric, 3) AS score FROM lepton_classify_scores('the invoice is overdue', 'stars');
SELECT lepton_classify('the invoice is overdue', 'stars');

-- Arrays.
SELECT lepton_classify(ARRAY['a', NULL, 'FREE money!!!'], 'kinds') AS labels, lepton_classify('{}'::text[], 'kinds') AS empty;
SELECT lepton_classify(ARRAY['a', 'b']) = ARRAY[lepton_classify('a'), lepton_classify('b')] AS same;
SELECT input, label, round(score::numeric, 3) AS score FROM lepton_classify_scores(ARRAY['a', NULL, 'FREE money!!!'], 'kinds');
SELECT count(*) FROM lepton_classify_scores('{}'::text[]);
SELECT lepton_classify(ARRAY[['a'], ['b']], 'kinds');
SELECT count(*), count(DISTINCT input), min(input), max(input) FROM lepton_classify_scores(array_fill('a'::text, ARRAY[600]), 'kinds');

-- Long texts are cut at 64 tokens.
SELECT bool_and(a.score = b.score) AS same FROM lepton_classify_scores(repeat('the ', 62), 'kinds') a
	JOIN lepton_classify_scores(repeat('the ', 600), 'kinds') b USING (label);
-- As a row source, in a join, grouped.
SELECT lepton_classify(t, 'kinds') IN ('ham', 'news', 'spam') AS known, count(*) FROM unnest(ARRAY['a', 'b', 'c']) t GROUP BY 1;
SELECT t, (SELECT label FROM lepton_classify_scores(t, 'kinds') LIMIT 1) = lepton_classify(t, 'kinds') AS same FROM unnest(ARRAY['a', 'b']) t;
SELECT lepton_drop_model(name::text) FROM lepton_models;
