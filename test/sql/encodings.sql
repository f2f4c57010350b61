-- Databases that are not UTF-8: texts and labels are converted, what cannot be is an error.
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
\set multi :dir '/data/tiny_multi'
SELECT current_database() AS back \gset
SELECT name FROM lepton_load_model('tiny', :'tiny');
CREATE TEMP TABLE want AS SELECT lepton_embed('café naïve', 'tiny')::text AS e;
SELECT e AS want FROM want \gset
CREATE DATABASE lepton_latin1 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
CREATE DATABASE lepton_ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
SELECT lepton_drop_model('tiny');

\c lepton_latin1
SET client_encoding = 'utf8';
CREATE EXTENSION lepton;
SELECT name FROM lepton_load_model('tiny', :'tiny');
SELECT name, labels FROM lepton_load_model('tags', :'multi');
SELECT lepton_embed('café naïve', 'tiny') = :'want'::real[] AS same;
SELECT lepton_tokenize(chr(233), 'tiny') = lepton_tokenize('e', 'tiny') AS accent_is_dropped;
SELECT label FROM lepton_classify_scores('café', 'tags') ORDER BY label COLLATE "C";
SELECT octet_length(label) FROM lepton_classify_scores('a', 'tags') WHERE label LIKE 'caf_';
SELECT model, labels FROM lepton_train('head', 'tiny', 'SELECT (ARRAY[''lunch'', ''bill''])[i % 2 + 1] || i, (ARRAY[''déjeuner'', ''facture''])[i % 2 + 1] FROM generate_series(1, 30) i');
SELECT lepton_classify('lunch', 'head') IN ('déjeuner', 'facture') AS known;
SELECT lepton_embed('a', 'modèle');
-- The built-in sample has texts that this encoding lacks.
SELECT count(*) > 0 AS rows FROM lepton_quantize('tiny', 'petit modèle');
SELECT texts > 0 AS texts, cosine_mean > 0.99 AS near FROM lepton_compare('tiny', 'petit modèle');
SELECT texts, cosine_mean > 0.99 AS near FROM lepton_compare('tiny', 'petit modèle', 'SELECT ''café '' || i FROM generate_series(1, 9) i');
SELECT texts, labels FROM lepton_compare('tags', 'tags', 'SELECT ''café '' || i FROM generate_series(1, 9) i');

\c lepton_ascii
SET client_encoding = 'sql_ascii';
CREATE EXTENSION lepton;
SELECT name FROM lepton_load_model('tiny', :'tiny');
SELECT lepton_embed('plain', 'tiny') IS NOT NULL AS there;
-- Bytes that are UTF-8 count as that; others are an error.
SELECT lepton_embed(E'caf\303\251 na\303\257ve', 'tiny') = :'want'::real[] AS same;
SELECT lepton_embed(E'caf\351', 'tiny');
SELECT lepton_tokenize(E'\377', 'tiny');
SELECT * FROM lepton_quantize('tiny', 'small', sample => $$SELECT E'\377'$$);
SELECT texts > 0 AS texts FROM lepton_compare('tiny', 'tiny');
SELECT lepton_embed(ARRAY['a', E'\300\257'], 'tiny');
SELECT cardinality(lepton_embed('and on it goes', 'tiny'));

\c :back
DROP DATABASE lepton_latin1;
DROP DATABASE lepton_ascii;
