-- Settings: bounds, names, who may set them, what they do.
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
\set classify :dir '/data/tiny_classify'
LOAD 'lepton';
SELECT name, setting, unit, context, vartype, min_val, max_val FROM pg_settings WHERE name LIKE 'lepton.%' AND name <> 'lepton.cpu_isa' ORDER BY name;
SELECT name, context, vartype FROM pg_settings WHERE name = 'lepton.cpu_isa';
SELECT name, short_desc <> '' AS described FROM pg_settings WHERE name LIKE 'lepton.%' ORDER BY name;
SET lepton.batch_tokens = 1;
SET lepton.batch_tokens = 100000;
DO $$ BEGIN SET lepton.cache_size = '1MB'; EXCEPTION WHEN invalid_parameter_value THEN RAISE NOTICE 'refused'; END $$;
SET lepton.truncate = maybe;
SET lepton.no_such = 1;
\set VERBOSITY terse
SET lepton.cpu_isa = 'none';
\set VERBOSITY default

SELECT name FROM lepton_load_model('one', :'tiny');
SELECT name FROM lepton_load_model('two', :'tiny');
SELECT name FROM lepton_load_model('kinds', :'classify');
-- Default models of a session.
SET lepton.embed_model = 'two';
SELECT lepton_embed('a') = lepton_embed('a', 'one') AS same;
SET lepton.embed_model = 'none';
SELECT lepton_embed('a');
SET lepton.embed_model = 'kinds';
SELECT lepton_embed('a');
RESET lepton.embed_model;
SET lepton.classify_model = 'none';
SELECT lepton_classify('a');
RESET lepton.classify_model;
SELECT lepton_classify('a') IS NOT NULL AS there;
BEGIN;
SET LOCAL lepton.embed_model = 'none';
ROLLBACK;
SELECT cardinality(lepton_embed('a'));
CREATE FUNCTION with_two() RETURNS boolean LANGUAGE sql SET lepton.embed_model = 'two' AS $$ SELECT lepton_embed('a') IS NOT NULL $$;
SELECT with_two();
DROP FUNCTION with_two;
-- The size of batches does not change the bits.
CREATE TEMP TABLE t AS SELECT lepton_embed(array_agg(repeat('the ', i % 29) || i ORDER BY i), 'one') AS e FROM generate_series(1, 100) i;
SET lepton.batch_tokens = 64;
SELECT e = (SELECT lepton_embed(array_agg(repeat('the ', i % 29) || i ORDER BY i), 'one') FROM generate_series(1, 100) i) AS same FROM t;
SET lepton.batch_tokens = 65536;
SELECT e = (SELECT lepton_embed(array_agg(repeat('the ', i % 29) || i ORDER BY i), 'one') FROM generate_series(1, 100) i) AS same FROM t;
RESET lepton.batch_tokens;
-- A small cache holds one model at a time.
SET lepton.cache_size = '16MB';
SELECT lepton_embed('a', 'one') = lepton_embed('a', 'two') AS same, lepton_classify('a', 'kinds') IS NOT NULL AS there;
RESET lepton.cache_size;
-- Kernels of other instruction sets answer the same, but for rounding.
CREATE TEMP TABLE want AS SELECT lepton_embed('the invoice is overdue', 'one') AS e;
SET lepton.cpu_isa = 'reference';
SELECT max(abs(a - b)) < 1e-5 AS near FROM want, unnest(e, lepton_embed('the invoice is overdue', 'one')) AS x(a, b);
SET lepton.cpu_isa = 'portable';
SELECT max(abs(a - b)) < 1e-5 AS near FROM want, unnest(e, lepton_embed('the invoice is overdue', 'one')) AS x(a, b);
RESET lepton.cpu_isa;
SELECT e = lepton_embed('the invoice is overdue', 'one') AS same FROM want;
CREATE ROLE regress_lepton_user;
SET ROLE regress_lepton_user;
SET lepton.cpu_isa = 'portable';
SET lepton.batch_tokens = 512;
RESET ROLE;
DROP ROLE regress_lepton_user;
SELECT lepton_drop_model(name::text) FROM lepton_models;
