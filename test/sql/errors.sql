-- Errors: SQLSTATE, message, detail, hint; after each the session goes on.
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
\set classify :dir '/data/tiny_classify'

-- What fails, as SQLSTATE.
CREATE FUNCTION state(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

-- No models.
SELECT lepton_embed('a', 'none');
SELECT lepton_embed('a');
SELECT lepton_classify('a');
SELECT name FROM lepton_load_model('tiny', :'tiny');
SELECT name FROM lepton_load_model('kinds', :'classify');
-- Not this one; those that are.
SELECT lepton_embed('a', 'tinny');
SELECT lepton_embed('a', '');
SELECT lepton_embed('a', repeat('x', 100));
-- Another task.
SELECT lepton_embed('a', 'kinds');
SELECT lepton_classify('a', 'tiny');
SELECT lepton_similarity('a', 'b', 'kinds');
SELECT * FROM lepton_classify_scores('a', 'tiny');
SELECT f, state(f) FROM unnest(ARRAY[
	$$SELECT lepton_embed('a', 'none')$$, $$SELECT lepton_embed('a', 'kinds')$$, $$SELECT lepton_drop_model('none')$$,
	$$SELECT lepton_rename_model('tiny', 'kinds')$$, $$SELECT lepton_set_default('none')$$, $$SELECT lepton_verify('none')$$,
	$$SELECT lepton_grant('none', current_user::regrole)$$, $$SELECT * FROM lepton_graph('none')$$,
	$$SELECT lepton_embed(ARRAY[['a']], 'tiny')$$]) f;
-- Long texts, when they shall not be cut.
SET lepton.truncate = off;
SELECT cardinality(lepton_embed(repeat('the ', 30), 'tiny'));
SELECT lepton_embed(repeat('the ', 31), 'tiny');
SELECT lepton_classify(repeat('the ', 100), 'kinds');
SELECT lepton_embed(ARRAY['short', repeat('the ', 31)], 'tiny');
SELECT cardinality(lepton_tokenize(repeat('the ', 100), 'tiny'));
RESET lepton.truncate;

-- Folders that are not there, or not folders; the server's own words may differ, the state does not.
SELECT left(state(format('SELECT lepton_load_model(%L, %L)', 'x', p)), 5) AS state, left(p, 30) AS p
FROM unnest(ARRAY['', '/nonexistent/folder', '/dev/null', '/etc/passwd', '/proc', '/', repeat('/x', 3000)]) p;
SELECT left(state(format('SELECT lepton_load_model(%L, %L)', 'x', :'dir' || p)), 5) AS state, p
FROM unnest(ARRAY['/sql', '/data', '/data/tiny/1_Pooling', '/data/tiny/config.json']) p;
SELECT count(*) FROM lepton_models;
SELECT cardinality(lepton_embed('a', 'tiny'));
-- In a function that catches it, a subtransaction, a cursor: all go on.
DO $$
BEGIN
	FOR i IN 1..50 LOOP
		BEGIN
			PERFORM lepton_embed('a', 'none' || i);
		EXCEPTION WHEN undefined_object THEN
			NULL;
		END;
	END LOOP;
END $$;
BEGIN;
SAVEPOINT s;
SELECT lepton_embed('a', 'none');
ROLLBACK TO s;
SELECT cardinality(lepton_embed('a', 'tiny'));
COMMIT;
DROP FUNCTION state;
SELECT lepton_drop_model(name::text) FROM lepton_models;
