-- lepton_tokenize: ids as the tokenizers package gives them, special tokens included, nothing cut.
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
\set classify :dir '/data/tiny_classify'
\set score :dir '/data/tiny_score'
SELECT name FROM lepton_load_model('tiny', :'tiny');
SELECT name FROM lepton_load_model('vocab', :'classify');
SELECT name FROM lepton_load_model('cased', :'score');
SELECT t, lepton_tokenize(t, 'tiny') FROM unnest(ARRAY['', ' ', 'a', 'the invoice', 'THE INVOICE', 'café', '[MASK] [SEP]', '東京', E'a\tb\nc']) t;
-- Made from vocab.txt or from tokenizer.json: the same.
SELECT bool_and(lepton_tokenize(t, 'tiny') = lepton_tokenize(t, 'vocab')) AS same
FROM unnest(ARRAY['', 'a', 'the invoice', 'Café', '[MASK] [SEP]', '東京', 'x' || repeat('y', 200), U&'\0130stanbul \200B \FEFF \0301']) t;
-- Case and accents matter to the cased one.
SELECT lepton_tokenize('The', 'cased') = lepton_tokenize('the', 'cased') AS same, lepton_tokenize('é', 'cased') = lepton_tokenize('e', 'cased') AS same;
-- Nothing is cut.
SELECT cardinality(lepton_tokenize(repeat('the ', 1000), 'tiny'));
SELECT lepton_tokenize(NULL, 'tiny') IS NULL AS a, lepton_tokenize('a', NULL) IS NULL AS b;
SELECT * FROM lepton_tokenize(ARRAY['a', NULL, ''], 'tiny');
SELECT * FROM lepton_tokenize('{}'::text[], 'tiny');
SELECT lepton_tokenize('a', 'none');
-- Each id is in the vocabulary, over a range of code points.
SELECT min(id), max(id) < 420 AS inside FROM generate_series(1, 5000) i, unnest(lepton_tokenize('a' || chr(i) || 'b', 'tiny')) id;
SELECT lepton_drop_model(name::text) FROM lepton_models;
