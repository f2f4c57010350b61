-- lepton_embed and lepton_similarity: values, NULLs, arrays, defaults.
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
SELECT lepton_embed('no model at all');
SELECT name FROM lepton_load_model('tiny', :'tiny');

SELECT pg_typeof(lepton_embed('a', 'tiny')), array_dims(lepton_embed('a', 'tiny')), array_dims(lepton_embed('', 'tiny')),
	lepton_embed('a') = lepton_embed('a', 'tiny') AS default_is_tiny;
SELECT round(sum(x * x)::numeric, 4) AS length FROM unnest(lepton_embed('the invoice is overdue', 'tiny')) x;
SELECT lepton_embed(NULL, 'tiny') IS NULL AS a, lepton_embed('a', NULL) IS NULL AS b, lepton_embed(NULL::text) IS NULL AS c,
	lepton_embed(NULL::text[], 'tiny') IS NULL AS d;
-- White space, case and accents do not matter to this tokenizer; word order does.
SELECT lepton_embed('Café  au lait', 'tiny') = lepton_embed(E'\tcafe au LAIT\n', 'tiny') AS same,
	lepton_embed('dog bites man', 'tiny') = lepton_embed('man bites dog', 'tiny') AS not_same;
-- Long texts are cut at 32 tokens, two of them special.
SELECT lepton_embed(repeat('the ', 30), 'tiny') = lepton_embed(repeat('the ', 31), 'tiny') AS same,
	lepton_embed(repeat('the ', 29), 'tiny') = lepton_embed(repeat('the ', 30), 'tiny') AS not_same;
SELECT array_dims(lepton_embed(repeat('many words ', 200000), 'tiny'));

-- Arrays: a row for each text, in order.
SELECT array_dims(lepton_embed(ARRAY['a', 'b', 'c'], 'tiny')), lepton_embed('{}'::text[], 'tiny') AS empty,
	array_dims(lepton_embed(ARRAY['a'])) AS one;
SELECT e[1:1][:] = lepton_embed(ARRAY['a'], 'tiny') AS first, e[2][1] IS NULL AND e[2][32] IS NULL AS second, array_dims(e),
	e[3][32] = (lepton_embed('c', 'tiny'))[32] AS third
FROM lepton_embed(ARRAY['a', NULL, 'c'], 'tiny') e;
SELECT array_dims(lepton_embed(ARRAY[NULL, NULL]::text[], 'tiny')), array_dims(lepton_embed('[5:6]={a,b}'::text[], 'tiny'));
SELECT lepton_embed(ARRAY[['a', 'b'], ['c', 'd']], 'tiny');
SELECT count(*) FROM unnest(lepton_embed(array_fill('text'::text, ARRAY[1000]), 'tiny'));

-- Similarity.
SELECT round(lepton_similarity('an invoice', 'an invoice', 'tiny')::numeric, 4) AS self,
	lepton_similarity('an invoice', 'lunch', 'tiny') = lepton_similarity('lunch', 'an invoice', 'tiny') AS symmetric,
	lepton_similarity('an invoice', 'lunch') = lepton_similarity('an invoice', 'lunch', 'tiny') AS default_is_tiny,
	lepton_similarity('an invoice', 'lunch', 'tiny') BETWEEN -1 AND 1 AS bounded,
	abs(lepton_similarity('an invoice', 'lunch', 'tiny')
		- lepton_similarity(lepton_embed('an invoice', 'tiny'), lepton_embed('lunch', 'tiny'))) < 1e-6 AS of_vectors;
SELECT lepton_similarity('a', NULL, 'tiny') IS NULL AS a, lepton_similarity(NULL, 'a') IS NULL AS b,
	lepton_similarity('a'::text, 'b'::text, NULL) IS NULL AS c;
SELECT s[1] = lepton_similarity('a', 'b', 'tiny') AS first, s[2] IS NULL AS second, round(s[3]::numeric, 4) AS third
FROM lepton_similarity(ARRAY['a', NULL, 'x'], ARRAY['b', 'c', 'x'], 'tiny') s;
SELECT lepton_similarity('{}'::text[], '{}'::text[]);
SELECT lepton_similarity(ARRAY['a', 'b'], ARRAY['c'], 'tiny');
SELECT lepton_similarity('{1,0}'::real[], '{0,2}'::real[]), lepton_similarity('{3,4}'::real[], '{6,8}'::real[]),
	lepton_similarity('{1,2}'::real[], '{-1,-2}'::real[]), lepton_similarity('{1,2}'::real[], NULL::real[]) IS NULL AS none;
SELECT lepton_similarity('{0,0}'::real[], '{1,2}'::real[]);
SELECT lepton_similarity('{1,2}'::real[], '{1,2,3}'::real[]);
SELECT lepton_similarity('{1,NULL}'::real[], '{1,2}'::real[]);
SELECT lepton_similarity('{{1,2}}'::real[], '{{1,2}}'::real[]);
SELECT lepton_similarity('{}'::real[], '{}'::real[]);
SELECT lepton_similarity('{1e38,1e38}'::real[], '{1e38,1e38}'::real[]), lepton_similarity('{1e-30,1e-30}'::real[], '{1e-30,1e-30}'::real[]);
SELECT lepton_drop_model('tiny');
