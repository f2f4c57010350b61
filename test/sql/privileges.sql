-- Who may what: owner, granted role, member of it, superuser, anyone else.
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
\set classify :dir '/data/tiny_classify'
CREATE ROLE regress_lepton_owner;
CREATE ROLE regress_lepton_friend;
CREATE ROLE regress_lepton_member IN ROLE regress_lepton_friend;
CREATE ROLE regress_lepton_stranger;
GRANT pg_read_server_files TO regress_lepton_owner;

SET ROLE regress_lepton_stranger;
SELECT name FROM lepton_load_model('tiny', :'tiny');
SET ROLE regress_lepton_owner;
SELECT name, owner FROM lepton_load_model('tiny', :'tiny');
SELECT name, owner FROM lepton_load_model('kinds', :'classify');
SELECT lepton_grant('tiny', 'regress_lepton_friend'), lepton_grant('kinds', 'regress_lepton_friend');
SELECT lepton_grant('tiny', 'regress_lepton_friend');
SELECT lepton_grant('tiny', 'regress_lepton_nobody');
SELECT name, users FROM lepton_models ORDER BY name;
RESET ROLE;

-- What each role gets from each function: t, or the state of the error.
CREATE FUNCTION try(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	RETURN 'may';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
CREATE FUNCTION matrix() RETURNS TABLE (what text, result text) LANGUAGE sql AS $$
	SELECT q, try('SELECT ' || q) FROM unnest(ARRAY[
		'lepton_embed(''a'', ''tiny'')', 'lepton_embed(ARRAY[''a''], ''tiny'')', 'lepton_embed(''a'')', 'lepton_similarity(''a'', ''b'', ''tiny'')',
		'lepton_classify(''a'', ''kinds'')', 'lepton_classify(''a'')', 'lepton_classify_scores(''a'', ''kinds'')', 'lepton_tokenize(''a'', ''tiny'')',
		'* FROM lepton_graph(''tiny'')', 'lepton_verify(''tiny'')', '* FROM lepton_models', '* FROM lepton_stat_models', '* FROM lepton_progress',
		'lepton_stat_reset()', '* FROM _lepton.lepton_model', '* FROM _lepton.lepton_model_chunk', '* FROM _lepton.stat_models()',
		'lepton_grant(''tiny'', ''regress_lepton_stranger'')', 'lepton_revoke(''tiny'', ''regress_lepton_stranger'')',
		'lepton_set_default(''tiny'')', 'lepton_rename_model(''tiny'', ''tiny2'')', 'lepton_rename_model(''tiny2'', ''tiny'')'
	]) q $$;
SET ROLE regress_lepton_owner;
SELECT * FROM matrix();
SET ROLE regress_lepton_friend;
SELECT * FROM matrix();
SET ROLE regress_lepton_member;
SELECT * FROM matrix() WHERE result = 'may';
SET ROLE regress_lepton_stranger;
SELECT * FROM matrix() WHERE result = 'may';
SELECT lepton_embed('a', 'tiny');
SELECT lepton_drop_model('tiny');
SELECT lepton_revoke('tiny', 'regress_lepton_friend');
SELECT * FROM _lepton.lepton_model_chunk;
INSERT INTO _lepton.lepton_model_chunk VALUES (gen_random_uuid(), 'x', 0, '');
DELETE FROM _lepton.lepton_model;
-- Names of models are no secret: everybody may read lepton_models.
SELECT lepton_embed('a', 'none');
RESET ROLE;

-- A view runs with the rights of its owner only where PostgreSQL says so for functions: it does not.
CREATE TABLE words AS SELECT 'a' AS t;
CREATE VIEW embedded AS SELECT lepton_embed(t, 'tiny') AS e FROM words;
CREATE FUNCTION embed_for_all(t text) RETURNS real[] LANGUAGE sql SECURITY DEFINER AS $$ SELECT lepton_embed(t, 'tiny') $$;
GRANT SELECT ON embedded TO regress_lepton_stranger;
SET ROLE regress_lepton_stranger;
SELECT cardinality(e) FROM embedded;
SELECT cardinality(embed_for_all('a'));
RESET ROLE;
DROP VIEW embedded;

-- What is taken back is gone at once, also from prepared statements and warm sessions.
SET ROLE regress_lepton_friend;
PREPARE p (text) AS SELECT cardinality(lepton_embed($1, 'tiny'));
EXECUTE p ('a');
RESET ROLE;
SELECT lepton_revoke('tiny', 'regress_lepton_friend');
SELECT lepton_revoke('tiny', 'regress_lepton_friend');
SET ROLE regress_lepton_friend;
EXECUTE p ('a');
SELECT lepton_embed('a', 'tiny');
SELECT lepton_classify('a', 'kinds') IS NOT NULL AS still;
RESET ROLE;

-- A friend may train on a model, and owns what comes out.
SELECT lepton_grant('tiny', 'regress_lepton_friend');
SET ROLE regress_lepton_friend;
SELECT model FROM lepton_train('learned', 'tiny', 'SELECT (ARRAY[''lunch at noon'', ''the invoice''])[i % 2 + 1] || i, (i % 2)::text FROM generate_series(1, 40) i');
SELECT lepton_classify('lunch', 'learned') IN ('0', '1') AS works;
SELECT name, owner FROM lepton_models WHERE name = 'learned';
RESET ROLE;
SET ROLE regress_lepton_stranger;
SELECT lepton_classify('lunch', 'learned');
SELECT * FROM lepton_train('mine', 'tiny', 'SELECT 1::text, 2::text');
RESET ROLE;
-- Without the base there is no child.
SELECT lepton_revoke('tiny', 'regress_lepton_friend');
SET ROLE regress_lepton_friend;
SELECT lepton_drop_model('tiny', cascade => true);
SELECT lepton_drop_model('learned');
RESET ROLE;

-- Nothing in the caller's search path is run by the extension's functions.
CREATE SCHEMA regress_lepton_evil;
CREATE FUNCTION regress_lepton_evil.evil(name, name) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil was here'; END $$;
CREATE OPERATOR regress_lepton_evil.= (LEFTARG = name, RIGHTARG = name, FUNCTION = regress_lepton_evil.evil);
CREATE FUNCTION regress_lepton_evil.sha256(bytea) RETURNS bytea LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil was here'; END $$;
CREATE TEMP TABLE lepton_model (name text);
SET search_path = regress_lepton_evil, pg_temp, public, pg_catalog;
SELECT public.lepton_rename_model('tiny', 'tiny3'), public.lepton_rename_model('tiny3', 'tiny'), public.lepton_verify('tiny'), cardinality(public.lepton_embed('a', 'tiny'));
SELECT public.lepton_set_default('tiny'), public.lepton_grant('tiny', 'regress_lepton_friend'), public.lepton_drop_model('kinds');
RESET search_path;
DROP TABLE lepton_model;
DROP SCHEMA regress_lepton_evil CASCADE;

-- Roles that are dropped.
DROP TABLE words;
DROP FUNCTION embed_for_all, matrix, try;
SELECT lepton_drop_model(name::text) FROM lepton_models;
DROP ROLE regress_lepton_owner, regress_lepton_member, regress_lepton_friend, regress_lepton_stranger;

-- A dump names roles; one that is missing where it is restored is nobody.
SELECT '"no such role"'::_lepton.role AS nobody, '-'::_lepton.role AS everybody, current_user::regrole::_lepton.role = current_user::regrole AS mine;
SELECT 'a.b'::_lepton.role;
