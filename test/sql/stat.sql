-- lepton_stat_models, lepton_stat_reset and lepton_progress.
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
\set classify :dir '/data/tiny_classify'
\d lepton_stat_models
\d lepton_progress
SELECT name FROM lepton_load_model('tiny', :'tiny');
SELECT name FROM lepton_load_model('kinds', :'classify');
SELECT lepton_stat_reset();
SELECT name, calls, "rows", tokens, batches FROM lepton_stat_models ORDER BY name;
SELECT cardinality(lepton_embed('a b c', 'tiny'));
SELECT name, calls, "rows", tokens, batches, "time" > 0 AS "time" FROM lepton_stat_models ORDER BY name;
-- Rows are texts answered, tokens are those computed: a text that a call repeats is computed once.
SELECT array_dims(lepton_embed(ARRAY['a', 'a', NULL, 'a'], 'tiny'));
SELECT count(lepton_classify('a' || i, 'kinds')) FROM generate_series(1, 10) i;
SELECT name, calls, "rows", tokens, batches FROM lepton_stat_models ORDER BY name;
SELECT round(lepton_similarity('a', 'a', 'tiny')::numeric, 3);
SELECT name, calls, "rows", tokens FROM lepton_stat_models WHERE name = 'tiny';
-- A new session finds them, and the image of the model.
\c
SELECT name, calls, "rows", tokens FROM lepton_stat_models WHERE name = 'tiny';
SELECT cardinality(lepton_embed('a', 'tiny')), cardinality(lepton_embed('b', 'tiny'));
SELECT name, calls, loads > 0 AS loads, cache_hits > 0 AS hits FROM lepton_stat_models WHERE name = 'tiny';
SELECT lepton_stat_reset();
SELECT name, calls, "rows", tokens, batches, "time", cache_hits, loads FROM lepton_stat_models ORDER BY name;
-- A renamed model keeps its counts, a new one of the same name has its own.
SELECT cardinality(lepton_embed('a', 'tiny'));
SELECT lepton_rename_model('tiny', 'small');
SELECT name FROM lepton_load_model('tiny', :'tiny');
SELECT name, calls FROM lepton_stat_models WHERE name IN ('small', 'tiny') ORDER BY name;
SELECT count(*) FROM lepton_progress;
SELECT lepton_drop_model(name::text) FROM lepton_models;
SELECT count(*) FROM lepton_stat_models;
