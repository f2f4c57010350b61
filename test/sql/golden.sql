-- The answers of transformers and sentence-transformers on the small models, stored beside them: equal within 1e-5.
\getenv dir PG_ABS_SRCDIR
\set golden :dir '/data/golden/tiny.json'
\set tiny :dir '/data/tiny'
\set classify :dir '/data/tiny_classify'
\set multi :dir '/data/tiny_multi'
\set score :dir '/data/tiny_score'
SELECT name, task FROM lepton_load_model('tiny', :'tiny')
UNION ALL SELECT name, task FROM lepton_load_model('tiny_classify', :'classify')
UNION ALL SELECT name, task FROM lepton_load_model('tiny_multi', :'multi')
UNION ALL SELECT name, task FROM lepton_load_model('tiny_score', :'score');
CREATE TEMP TABLE golden AS SELECT pg_read_file(:'golden')::jsonb AS j;
CREATE TEMP TABLE texts AS SELECT (i - 1)::int AS i, t FROM golden, jsonb_array_elements_text(j -> 'texts') WITH ORDINALITY AS x(t, i);
SELECT count(*) FROM texts;

CREATE FUNCTION pg_temp.worst(e real[], want jsonb) RETURNS float8 LANGUAGE sql AS
	'SELECT max(abs(a - b::float8)) FROM unnest(e) WITH ORDINALITY x(a, n) FULL JOIN jsonb_array_elements_text(want) WITH ORDINALITY y(b, n) USING (n)';
SELECT count(*), bool_and(worst <= 1e-5) AS within,
	string_agg(t || ': ' || worst, ', ') FILTER (WHERE worst > 1e-5 OR worst IS NULL) AS wrong
FROM (SELECT t, pg_temp.worst(lepton_embed(t, 'tiny'), j -> 'tiny' -> i) AS worst FROM texts, golden) x;

-- Scores of classifiers: one label, several labels, a number.
SELECT model, count(*), bool_and(abs(s.score - want::real) <= 1e-5) AS within,
	string_agg(t || ': ' || s.label || ' ' || s.score || ' instead of ' || want, ', ') FILTER (WHERE abs(s.score - want::real) > 1e-5) AS wrong
FROM texts, golden, unnest('{tiny_classify,tiny_multi,tiny_score}'::text[]) AS model,
	jsonb_each_text(j -> model -> i) AS g(label, want), lepton_classify_scores(t, model) s
WHERE s.label = g.label GROUP BY model ORDER BY model;
-- The best label.
SELECT model, count(*), bool_and(lepton_classify(t, model) = g.label) AS same
FROM texts, golden, unnest('{tiny_classify,tiny_multi}'::text[]) AS model,
	LATERAL (SELECT label FROM jsonb_each_text(j -> model -> i) AS e(label, want) ORDER BY want::real DESC LIMIT 1) g
GROUP BY model ORDER BY model;
-- The array forms and every order of neighbours give the same bits.
SELECT bool_and(alone = together) AS same FROM (
	SELECT lepton_embed(t, 'tiny') AS alone,
		(SELECT array_agg(v ORDER BY j) FROM generate_subscripts(e, 2) j, LATERAL (SELECT e[n][j] AS v) y) AS together
	FROM (SELECT t, row_number() OVER (ORDER BY i) AS n, lepton_embed((SELECT array_agg(t ORDER BY i) FROM texts), 'tiny') AS e FROM texts) x) z;
SELECT bool_and(lepton_embed(ARRAY[t, x], 'tiny') = (lepton_embed(ARRAY[t, x, 'more', t], 'tiny'))[1:2][:]) AS same
FROM texts, (SELECT string_agg(t, ' ') AS x FROM texts) y;
SELECT model, bool_and(lepton_classify(t, model) = together[n]) AS same FROM (
	SELECT model, t, row_number() OVER (PARTITION BY model ORDER BY i) AS n,
		lepton_classify((SELECT array_agg(t ORDER BY i) FROM texts), model) AS together
	FROM texts, unnest('{tiny_classify,tiny_multi,tiny_score}'::text[]) AS model) x GROUP BY model ORDER BY model;
SELECT lepton_drop_model(name::text) FROM lepton_models;
