-- lepton_quantize: compressed copies that stand alone; what is refused.
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
\set classify :dir '/data/tiny_classify'
SELECT name FROM lepton_load_model('tiny', :'tiny');
SELECT name FROM lepton_load_model('kinds', :'classify');
CREATE TABLE texts AS SELECT i AS id, CASE i % 3 WHEN 0 THEN 'the invoice money bill number ' WHEN 1 THEN 'lunch and dinner at noon ' ELSE 'linux kernel compile error ' END || i AS body,
	(ARRAY['bill', 'food', 'code'])[i % 3 + 1] AS label FROM generate_series(1, 60) i;
-- One row for each operator whose weights are compressed, in the order of lepton_graph.
SELECT name, scheme, error < 0.01 AS good, bytes_before, bytes < bytes_before AS smaller
	FROM lepton_quantize('tiny', 'asymmetric', 'i8_asymmetric', sample => 'SELECT body FROM texts ORDER BY id');
SELECT name, task, family, "precision", dims, parent, bytes < 80000 AS small, recipe ~ '^lepton_quantize\("precision" => ''i8_asymmetric'', texts => 60, cosine => 0.99\d+\)$' AS recipe,
	"default", lepton_verify(name::text), parameters = (SELECT parameters FROM lepton_models WHERE name = 'tiny') AS parameters
	FROM lepton_models WHERE name = 'asymmetric' \gx
SELECT lepton_similarity(lepton_embed('the invoice is overdue', 'tiny'), lepton_embed('the invoice is overdue', 'asymmetric')) > 0.99 AS near,
	lepton_embed('the invoice is overdue', 'asymmetric') <> lepton_embed('the invoice is overdue', 'tiny') AS other,
	lepton_tokenize('The invoice', 'asymmetric') = lepton_tokenize('The invoice', 'tiny') AS same_tokens;
-- Every scheme; a text's result does not depend on its neighbours.
SELECT s.scheme, count(DISTINCT q.scheme) AS schemes, bool_and(q.scheme = s.scheme) AS as_asked, min(bytes) > 0 AS bytes
	FROM unnest(ARRAY['f16', 'bf16', 'i8_symmetric', 'i8_full', 'i4']) AS s(scheme), lepton_quantize('tiny', s.scheme, s.scheme) AS q
	WHERE q.name LIKE 'encoder.layer.%' GROUP BY s.scheme ORDER BY 1;
SELECT name, "precision", lepton_similarity(lepton_embed('lunch at noon', 'tiny'), lepton_embed('lunch at noon', name::text)) > CASE name WHEN 'i4' THEN 0.9 ELSE 0.99 END AS near,
	(SELECT bool_and(v = lepton_embed(body, name::text)) FROM (SELECT body, (SELECT array_agg(x ORDER BY o) FROM unnest(e[id:id]) WITH ORDINALITY AS u(x, o)) AS v
		FROM texts, (SELECT lepton_embed(array_agg(body ORDER BY id), name::text) AS e FROM texts) a) t) AS same_bits
	FROM lepton_models WHERE parent = 'tiny' ORDER BY name;
SELECT name, rank() OVER (ORDER BY bytes) FROM lepton_models WHERE name IN ('tiny', 'f16', 'i8_symmetric', 'i4') ORDER BY 2, 1;
-- Kernels of other instruction sets answer nearly the same.
CREATE TEMP TABLE want AS SELECT name, lepton_embed('lunch at noon', name::text) AS e FROM lepton_models WHERE parent = 'tiny';
SET lepton.cpu_isa = 'reference';
SELECT name, lepton_similarity(e, lepton_embed('lunch at noon', name::text)) > 0.999 AS near, lepton_verify(name::text) FROM want ORDER BY name;
SET lepton.cpu_isa = 'portable';
SELECT name, lepton_similarity(e, lepton_embed('lunch at noon', name::text)) > 0.999 AS near FROM want ORDER BY name;
RESET lepton.cpu_isa;
SELECT bool_and(e = lepton_embed('lunch at noon', name::text)) AS same FROM want;
-- Chosen by measurement; for a classifier too.
SELECT count(*) > 0 AS rows, bool_and(error < 0.01) AS good FROM lepton_quantize('tiny', 'small', sample => 'SELECT body FROM texts', min_cosine => 0.99);
SELECT count(*) > 0 AS rows FROM lepton_quantize('kinds', 'small_kinds', sample => 'SELECT body FROM texts');
SELECT name, task, labels, recipe ~ '^lepton_quantize\("precision" => ''auto'', min_cosine => 0.99\d*, (min_agreement => 0.998, )?texts => 60, cosine => [01]\.\d+(, agreement => [01]\.\d+)?\)$' AS recipe
	FROM lepton_models WHERE name LIKE 'small%' ORDER BY name;
SELECT avg((lepton_classify(body, 'kinds') = lepton_classify(body, 'small_kinds'))::int) > 0.9 AS agree FROM texts;
-- The same call gives the same bytes.
SELECT count(*) > 0 AS rows FROM lepton_quantize('tiny', 'small2', sample => 'SELECT body FROM texts', min_cosine => 0.99);
SELECT count(DISTINCT hash) FROM _lepton.lepton_model WHERE name IN ('small', 'small2');
SELECT lepton_drop_model('small2');
SELECT cardinality(lepton_embed('a', 'small')), lepton_verify('small');
-- Its files can be carried elsewhere and loaded as they are.
CREATE TABLE files AS SELECT path, part, data FROM _lepton.lepton_model_chunk WHERE model = (SELECT id FROM _lepton.lepton_model WHERE name = 'asymmetric');
SELECT path, part FROM files ORDER BY path, part;
SELECT name, "precision", parent, recipe FROM lepton_load_model('carried', 'files'::regclass);
SELECT count(DISTINCT hash), bool_and(lepton_embed('lunch', name::text) = lepton_embed('lunch', 'asymmetric')) AS same FROM _lepton.lepton_model WHERE name IN ('asymmetric', 'carried');
SELECT lepton_drop_model('carried');
UPDATE files SET data = convert_to(replace(convert_from(data, 'UTF8'), 'i8_asymmetric', 'i9'), 'UTF8') WHERE path = 'lepton.json';
SELECT lepton_load_model('damaged', 'files'::regclass);
DELETE FROM files WHERE path = 'lepton.json';
SELECT lepton_load_model('damaged', 'files'::regclass);
DROP TABLE files;
-- A model that the same statement has loaded.
WITH loaded AS MATERIALIZED (SELECT (lepton_load_model('both', :'tiny')).name)
	SELECT name, "rows" FROM loaded, LATERAL (SELECT count(*) > 0 AS "rows" FROM lepton_quantize(name::text, 'both_small', 'f16')) q;
SELECT lepton_verify('both_small'), lepton_drop_model('both'), lepton_drop_model('both_small');
-- The built-in sample; what comes out serves like any other model.
SELECT count(*) > 0 AS rows FROM lepton_quantize('tiny', 'builtin');
SELECT recipe ~ 'texts => \d+' AS recipe FROM lepton_models WHERE name = 'builtin';
SELECT model FROM lepton_train('topics', 'asymmetric', 'SELECT body, label FROM texts');
SELECT avg((lepton_classify(body, 'topics') = label)::int) > 0.9 AS right FROM texts;
SELECT lepton_rename_model('builtin', 'renamed'), lepton_set_default('renamed');
SELECT lepton_embed('a') = lepton_embed('a', 'renamed') AS same;
SELECT lepton_set_default('tiny'), lepton_drop_model('renamed');

-- What cannot be compressed.
SELECT * FROM lepton_quantize('topics', 'bad');
SELECT * FROM lepton_quantize('asymmetric', 'bad');
SELECT * FROM lepton_quantize('none', 'bad');
SELECT * FROM lepton_quantize('tiny', 'kinds');
SELECT * FROM lepton_quantize('tiny', 'tiny');
SELECT * FROM lepton_quantize('tiny', '');
SELECT * FROM lepton_quantize('tiny', 'bad', 'i3');
SELECT * FROM lepton_quantize('tiny', 'bad', min_cosine => 1.5);
SELECT * FROM lepton_quantize('tiny', 'bad', min_cosine => 'NaN');
SELECT * FROM lepton_quantize('tiny', 'bad', min_agreement => -1);
SELECT * FROM lepton_quantize(NULL, 'bad');
SELECT * FROM lepton_quantize('tiny', NULL);
SELECT * FROM lepton_quantize('tiny', 'bad', NULL);
SELECT * FROM lepton_quantize('tiny', 'bad', min_cosine => NULL);
SELECT * FROM lepton_quantize('tiny', 'bad', sample => 'SELECT body FROM texts WHERE false');
SELECT * FROM lepton_quantize('tiny', 'bad', sample => 'SELECT NULLIF(body, ''lunch and dinner at noon 1'') FROM texts ORDER BY id');
SELECT * FROM lepton_quantize('tiny', 'bad', sample => 'SELECT body, id FROM texts');
SELECT * FROM lepton_quantize('tiny', 'bad', sample => 'SELECT id FROM texts');
SELECT * FROM lepton_quantize('tiny', 'bad', sample => 'DELETE FROM texts');
SELECT * FROM lepton_quantize('tiny', 'bad', sample => 'DELETE FROM texts RETURNING body');
SELECT * FROM lepton_quantize('tiny', 'bad', sample => '');
SELECT * FROM lepton_quantize('tiny', 'bad', sample => 'no sql');
SELECT * FROM lepton_quantize('tiny', 'bad', sample => 'SELECT (1 / (id - 7))::text FROM texts');
SET lepton.truncate = off;
SELECT * FROM lepton_quantize('tiny', 'bad', sample => 'SELECT repeat(''the '', 100)');
RESET lepton.truncate;
BEGIN;
SELECT count(*) > 0 AS rows FROM lepton_quantize('tiny', 'gone', 'f16');
SELECT cardinality(lepton_embed('a', 'gone'));
ROLLBACK;
BEGIN READ ONLY;
SELECT * FROM lepton_quantize('tiny', 'bad');
ROLLBACK;
SELECT count(*) FROM lepton_models WHERE name IN ('bad', 'gone');

-- A compressed model stands alone: its parent may go, but not while a head needs it.
SELECT model FROM lepton_train('plain', 'tiny', 'SELECT body, label FROM texts');
SELECT lepton_drop_model('tiny');
SELECT lepton_drop_model('plain');
CREATE TEMP TABLE kept AS SELECT name, lepton_embed('the invoice', name::text) AS e FROM lepton_models WHERE parent = 'tiny';
SELECT lepton_drop_model('tiny');
SELECT m.name, parent, recipe IS NOT NULL AS recipe, lepton_verify(m.name::text), e = lepton_embed('the invoice', m.name::text) AS same
	FROM lepton_models m JOIN kept USING (name) ORDER BY 1;
\c -
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
SELECT cardinality(lepton_embed('a', 'asymmetric')), lepton_classify('the invoice money bill number 9', 'topics') AS label;
-- A cascade takes heads along and leaves compressed copies.
SELECT lepton_drop_model('asymmetric');
SELECT lepton_drop_model('asymmetric', cascade => true);
SELECT name FROM lepton_load_model('tiny', :'tiny');
SELECT count(*) > 0 AS rows FROM lepton_quantize('tiny', 'copy', 'f16');
SELECT lepton_drop_model('tiny', cascade => true);
SELECT name FROM lepton_models ORDER BY name;

-- Who may: those who may use the model, with their own rights to the sample; they own what comes out.
SELECT name FROM lepton_load_model('tiny', :'tiny');
CREATE ROLE regress_lepton_friend;
SELECT lepton_grant('tiny', 'regress_lepton_friend');
SET ROLE regress_lepton_friend;
SELECT * FROM lepton_quantize('kinds', 'mine');
SELECT * FROM lepton_quantize('tiny', 'mine', sample => 'SELECT body FROM texts');
SELECT count(*) > 0 AS rows FROM lepton_quantize('tiny', 'mine', 'i8_symmetric');
SELECT name, owner, parent FROM lepton_models WHERE name = 'mine';
SELECT * FROM lepton_compare('tiny', 'kinds');
SELECT texts > 0 AS t FROM lepton_compare('tiny', 'mine');
RESET ROLE;
SELECT lepton_revoke('tiny', 'regress_lepton_friend');
SET ROLE regress_lepton_friend;
SELECT cardinality(lepton_embed('a', 'mine'));
SELECT lepton_drop_model('mine');
RESET ROLE;
DROP ROLE regress_lepton_friend;
SELECT lepton_drop_model(name::text) FROM lepton_models ORDER BY name;
DROP TABLE texts;
