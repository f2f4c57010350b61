-- Statements of every shape, separated by empty lines; those that write roll back. See corpus.py.

SELECT lepton_classify(t.body, 'kinds') = u.kind, t.id, u.id FROM t JOIN u ON u.t_id = t.id

SELECT t.id, u.id FROM t JOIN u ON lepton_classify(t.body, 'kinds') = u.kind WHERE t.id < 40 AND u.id < 20

SELECT t.id, u.id FROM t LEFT JOIN u ON lepton_classify(t.body, 'kinds') = u.kind AND u.id < 10 WHERE t.id < 40

SELECT t.id, u.id FROM t RIGHT JOIN u ON t.label = lepton_classify(u.body, 'kinds') AND t.id < 9 WHERE u.id < 30

SELECT t.id, u.id FROM t FULL JOIN u ON lepton_classify(t.body, 'kinds') = lepton_classify(u.body, 'kinds') AND t.g = u.id WHERE coalesce(t.id, 1) < 30

SELECT t.id, u.id FROM t, u WHERE t.g = u.id % 10 AND lepton_similarity(t.body, u.body, 'tiny') > 0.3 AND t.id < 60

SELECT t.id, u.id FROM t JOIN u ON t.id = u.id AND lepton_similarity(t.body, u.body, 'tiny') > lepton_similarity(u.body, t.other, 'tiny')

SELECT a.id, b.id FROM t a JOIN t b ON lepton_classify(a.body, 'kinds') = lepton_classify(b.body, 'kinds') AND a.id = b.id + 1

SELECT a.id, count(b.id) FROM t a LEFT JOIN t b ON a.g = b.g AND b.id < a.id AND lepton_classify(b.body, 'kinds') = 'ham' WHERE a.id < 40 GROUP BY a.id

SELECT t.id FROM t WHERE NOT EXISTS (SELECT FROM u WHERE u.kind = lepton_classify(t.body, 'kinds') AND u.id % 4 = 1)

SELECT t.id FROM t WHERE EXISTS (SELECT FROM u WHERE u.id % 10 = t.g AND lepton_similarity(u.body, t.body, 'tiny') > 0.2) AND t.id < 30

SELECT t.id FROM t LEFT JOIN u ON t.id = u.t_id WHERE lepton_classify(u.body, 'kinds') IS NULL

SELECT t.id, q.k FROM t, LATERAL (SELECT lepton_classify(u.body, 'kinds') k FROM u WHERE u.t_id = t.id ORDER BY u.id LIMIT 2) q

SELECT t.id, q.k FROM t LEFT JOIN LATERAL (SELECT lepton_classify(t.body || u.body, 'kinds') k FROM u WHERE u.t_id = t.id) q ON true

SELECT t.id, q.* FROM t, LATERAL (SELECT lepton_classify(t.body, 'kinds') a, lepton_embed(t.other, 'tiny') b OFFSET 0) q WHERE t.id < 50

SELECT t.id, s.label FROM t, lepton_classify_scores(t.body, 'kinds') s WHERE t.id < 20

SELECT t.id, s.label FROM t, LATERAL lepton_classify_scores(lepton_classify(t.body, 'kinds'), 'kinds') s WHERE t.id < 20

SELECT g, count(*), max(lepton_classify(body, 'kinds')), min(lepton_classify(body, 'kinds')) FROM t GROUP BY g

SELECT g, sum((lepton_embed(body, 'tiny'))[1]::numeric) FROM t GROUP BY g

SELECT sum((lepton_embed(body, 'tiny'))[1]::numeric) FILTER (WHERE g = 3), count(*) FILTER (WHERE lepton_classify(body, 'kinds') = 'ham') FROM t

SELECT g, array_agg(lepton_classify(body, 'kinds') ORDER BY id) FROM t GROUP BY g

SELECT g, string_agg(DISTINCT lepton_classify(body, 'kinds'), ',') FROM t GROUP BY g

SELECT g, array_agg(id ORDER BY lepton_classify(body, 'kinds'), id) FROM t GROUP BY g

SELECT lepton_classify(body, 'kinds'), g, count(*) FROM t GROUP BY ROLLUP (1, 2)

SELECT lepton_classify(body, 'kinds'), g, grouping(g), max(lepton_classify(other, 'kinds')) FROM t GROUP BY GROUPING SETS ((1), (2), (1, 2), ())

SELECT g, lepton_classify(max(body), 'kinds') FROM t GROUP BY g

SELECT g, lepton_classify(max(body), 'kinds') FROM t GROUP BY g HAVING lepton_classify(max(body), 'kinds') <> 'ham' AND count(*) > 2

SELECT g FROM t GROUP BY g HAVING max(lepton_classify(body, 'kinds')) = 'spam'

SELECT count(DISTINCT lepton_classify(body, 'kinds')) FROM t

SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY lepton_classify(body, 'kinds')) FROM t

SELECT mode() WITHIN GROUP (ORDER BY lepton_classify(body, 'kinds')) FROM t

SELECT DISTINCT lepton_classify(body, 'kinds'), g % 2 FROM t

/* ordered */ SELECT DISTINCT ON (lepton_classify(body, 'kinds')) id, body FROM t ORDER BY lepton_classify(body, 'kinds'), id DESC

/* ordered */ SELECT id, lepton_classify(body, 'kinds') FROM t ORDER BY 2, 1

/* ordered */ SELECT id FROM t ORDER BY lepton_similarity(body, 'message 5', 'tiny') DESC, id LIMIT 10

/* ordered */ SELECT id FROM t ORDER BY lepton_similarity(body, 'message 5', 'tiny') DESC NULLS LAST, id OFFSET 3 LIMIT 10

/* ordered */ SELECT id, lepton_classify(body, 'kinds') FROM t ORDER BY id LIMIT 5

/* ordered */ SELECT id, lepton_classify(body, 'kinds') FROM t ORDER BY id OFFSET 20 LIMIT 5

/* ordered */ SELECT id, lepton_classify(body, 'kinds') FROM t ORDER BY id FETCH FIRST 3 ROWS WITH TIES

/* ordered */ SELECT id FROM t ORDER BY lepton_classify(body, 'kinds') DESC NULLS LAST, id FETCH FIRST 3 ROWS WITH TIES

/* ordered */ SELECT id, lepton_classify(body, 'kinds') FROM t ORDER BY id LIMIT (SELECT 4)

/* ordered */ SELECT id, lepton_classify(body, 'kinds') FROM t ORDER BY id LIMIT NULL OFFSET 150

SELECT id, lepton_classify(body, 'kinds') FROM t LIMIT 0

/* ordered */ SELECT id, rank() OVER (PARTITION BY lepton_classify(body, 'kinds') ORDER BY id) FROM t ORDER BY id

/* ordered */ SELECT id, count(lepton_classify(body, 'kinds')) OVER (ORDER BY id ROWS 3 PRECEDING) FROM t ORDER BY id

/* ordered */ SELECT id, lag(lepton_classify(body, 'kinds')) OVER w, first_value(lepton_classify(other, 'kinds')) OVER w FROM t WINDOW w AS (PARTITION BY g ORDER BY id) ORDER BY id

/* ordered */ SELECT id, sum((lepton_embed(body, 'tiny'))[1]::numeric) FILTER (WHERE g > 3) OVER (ORDER BY id) FROM t ORDER BY id

/* ordered */ SELECT * FROM (SELECT id, row_number() OVER (ORDER BY id) rn, lepton_classify(body, 'kinds') k FROM t) q WHERE rn <= 5 ORDER BY id

/* ordered */ SELECT id, lepton_classify(first_value(body) OVER (PARTITION BY g ORDER BY id), 'kinds') FROM t ORDER BY id

WITH x AS (SELECT id, lepton_classify(body, 'kinds') k FROM t) SELECT k, count(*) FROM x GROUP BY k

WITH x AS MATERIALIZED (SELECT id, lepton_embed(body, 'tiny') e FROM t WHERE id < 30) SELECT a.id, b.id, lepton_similarity(a.e, b.e) FROM x a JOIN x b ON a.id = b.id + 1

WITH x AS NOT MATERIALIZED (SELECT id, lepton_classify(body, 'kinds') k FROM t) SELECT a.id FROM x a JOIN x b USING (id, k)

WITH RECURSIVE r (n, k) AS (SELECT 1, 'start' UNION ALL SELECT n + 1, lepton_classify(k || n, 'kinds') FROM r WHERE n < 12) SELECT * FROM r

WITH RECURSIVE r (id, k) AS (SELECT id, lepton_classify(body, 'kinds') FROM t WHERE id = 1 UNION SELECT t.id, lepton_classify(t.body, 'kinds') FROM r JOIN t ON t.id = r.id + 7) SELECT * FROM r

SELECT id, lepton_classify(body, 'kinds') FROM t UNION SELECT id, kind FROM u

SELECT lepton_classify(body, 'kinds') FROM t INTERSECT SELECT kind FROM u

SELECT lepton_classify(body, 'kinds') FROM t EXCEPT ALL SELECT kind FROM u

SELECT id, unnest(ARRAY[lepton_classify(body, 'kinds'), other]) FROM t

SELECT id, unnest(lepton_embed(body, 'tiny')) FROM t WHERE id < 9

SELECT id, generate_series(1, g), lepton_classify(body, 'kinds') FROM t WHERE id < 40

SELECT id, generate_series(1, length(lepton_classify(body, 'kinds'))) FROM t WHERE id < 40

SELECT (SELECT max(lepton_classify(u.body, 'kinds')) FROM u WHERE u.t_id = t.id), t.id FROM t

SELECT (SELECT lepton_classify(u.body, 'kinds') FROM u WHERE u.t_id = t.id ORDER BY u.id LIMIT 1), t.id FROM t

SELECT id, ARRAY(SELECT lepton_classify(u.body, 'kinds') FROM u WHERE u.t_id = t.id ORDER BY u.id) FROM t

SELECT id FROM t WHERE (SELECT count(*) FROM u WHERE u.t_id = t.id AND lepton_classify(u.body, 'kinds') = lepton_classify(t.body, 'kinds')) > 0

SELECT id FROM t WHERE lepton_classify(body, 'kinds') IN (SELECT lepton_classify(u.body, 'kinds') FROM u WHERE u.id < 4)

SELECT id FROM t WHERE (id, lepton_classify(body, 'kinds')) IN (SELECT t_id, kind FROM u)

SELECT id FROM t WHERE lepton_classify(body, 'kinds') > ALL (SELECT kind FROM u WHERE u.id % 10 = t.g)

SELECT id, lepton_classify((SELECT u.body FROM u WHERE u.id = t.id), 'kinds') FROM t WHERE id < 70

SELECT id, lepton_classify(CASE WHEN id % 2 = 0 THEN body END, 'kinds') FROM t

SELECT id, CASE WHEN body IS NULL THEN 'null' WHEN length(body) < 10 THEN lepton_classify(body, 'kinds') ELSE lepton_classify(left(body, 10), 'kinds') END FROM t

SELECT id, CASE WHEN g = 0 THEN 0 ELSE (lepton_embed((100 / g)::text, 'tiny'))[1] END FROM t

SELECT id, CASE g WHEN 0 THEN 'zero' WHEN 1 THEN lepton_classify(body, 'kinds') ELSE lepton_classify(other, 'kinds') END FROM t

SELECT id, CASE WHEN lepton_classify(body, 'kinds') = 'ham' THEN lepton_embed(body, 'tiny') WHEN lepton_classify(body, 'kinds') = 'news' THEN lepton_embed(other, 'tiny') END FROM t

SELECT id, coalesce(e, lepton_embed(body, 'tiny'), lepton_embed('nothing', 'tiny')) FROM t

SELECT id, g > 4 AND lepton_classify(body, 'kinds') = 'ham' AND lepton_similarity(body, other, 'tiny') > 0 FROM t

SELECT id, g > 4 OR lepton_classify(body, 'kinds') = 'ham' OR lepton_similarity(body, other, 'tiny') > 0 FROM t

SELECT id, nullif(lepton_classify(body, 'kinds'), 'ham'), least(lepton_classify(body, 'kinds'), lepton_classify(other, 'kinds')) FROM t

SELECT id, lepton_classify(body, CASE WHEN g > 0 THEN 'kinds' ELSE 'kinds' END) FROM t

SELECT id, lepton_classify(body, CASE WHEN id < 1000 THEN 'kinds' END) FROM t

SELECT id, lepton_classify(body, NULL) FROM t

SELECT id, lepton_classify(NULL, 'kinds') FROM t

SELECT lepton_classify(body, 'no such model') FROM empty

SELECT lepton_classify(body, 'no such model') FROM t

SELECT lepton_classify(body, 'no such model') FROM t WHERE body IS NULL

SELECT lepton_classify(body, 'tiny') FROM t

SELECT lepton_embed(body, 'kinds') FROM t WHERE false

SELECT id, (lepton_embed(body, 'tiny'))[1] / 0 FROM t WHERE body IS NOT NULL

SELECT id, lepton_embed(body, 'tiny') FROM t WHERE 1 / (g - 20) < 0

/* ordered */ SELECT lepton_classify(body, 'kinds'), 100 / (id - 9) FROM t ORDER BY id LIMIT 8

BEGIN; SET LOCAL lepton.truncate = off; SELECT id, cardinality(lepton_embed(body, 'tiny')) FROM t WHERE id < 31; SELECT id, cardinality(lepton_embed(body, 'tiny')) FROM t WHERE id < 32

BEGIN; SET LOCAL lepton.truncate = off; SELECT id, cardinality(lepton_embed(body, 'tiny')) FROM t WHERE id < 60 ORDER BY id LIMIT 20

BEGIN; SET LOCAL lepton.truncate = off; SELECT id, CASE WHEN length(body) < 100 THEN cardinality(lepton_embed(body, 'tiny')) END FROM t

SELECT id, strange_embed(body, 'tiny'), volatile_embed(body, 'tiny') FROM t WHERE id < 20

SELECT id, restricted_embed(body, 'tiny') FROM t WHERE id < 90

SELECT id, definer_embed(body, 'tiny') FROM t WHERE id < 20

SELECT id, kind_of(body), slow_kind(other) FROM t WHERE id < 60

SELECT id FROM t WHERE kind_of(body) = 'ham'

SELECT kind, count(*) FROM kinds GROUP BY kind

SELECT k.id FROM kinds k JOIN u ON u.kind = k.kind WHERE k.id < 10 AND u.id < 10

SELECT id FROM kinds WHERE kind = 'ham' AND g > 3

SELECT id FROM indexed WHERE lepton_classify(body, 'kinds') = 'ham'

SELECT id, lepton_classify(body, 'kinds') FROM indexed WHERE lepton_classify(body, 'kinds') > 'm'

/* ordered */ SELECT lepton_classify(body, 'kinds') FROM indexed ORDER BY lepton_classify(body, 'kinds') LIMIT 90

SELECT id, body FROM indexed WHERE lepton_classify(body, 'kinds') = lepton_classify('message 1', 'kinds') AND lepton_similarity(body, 'message', 'tiny') > 0

BEGIN; SET LOCAL ROLE corpus_reader; SELECT id, lepton_classify(body, 'kinds') FROM secret

BEGIN; SET LOCAL ROLE corpus_reader; SELECT set_config('corpus.seen', '', true); SELECT count(*) FROM secret WHERE seen(body) AND lepton_classify(body, 'kinds') <> 'none'; SELECT current_setting('corpus.seen') LIKE '%SECRET%'

BEGIN; SET LOCAL ROLE corpus_reader; SELECT set_config('corpus.seen', '', true); SELECT count(*) FROM judged WHERE seen(body); SELECT array(SELECT unnest(string_to_array(current_setting('corpus.seen'), ',')) ORDER BY 1)

BEGIN; SET LOCAL ROLE corpus_reader; SELECT set_config('corpus.seen', '', true); SELECT id, lepton_embed(body, 'tiny') FROM judged WHERE seen(body) AND lepton_similarity(body, 'message', 'tiny') > 0; SELECT array(SELECT unnest(string_to_array(current_setting('corpus.seen'), ',')) ORDER BY 1)

BEGIN; SET LOCAL ROLE corpus_reader; SELECT set_config('corpus.seen', '', true); SELECT count(*) FROM judged j JOIN u ON u.id = j.id WHERE seen(j.body) AND lepton_classify(u.body, 'kinds') <> 'none'; SELECT current_setting('corpus.seen') = ''

BEGIN; SET LOCAL ROLE corpus_reader; SELECT set_config('corpus.seen', '', true); SELECT id, lepton_classify(body, 'kinds') FROM barrier WHERE seen(body) AND g < 4; SELECT current_setting('corpus.seen') LIKE '%SECRET%'

BEGIN; REVOKE EXECUTE ON FUNCTION lepton_classify(text, text) FROM public; SET LOCAL ROLE corpus_reader; SELECT id, lepton_classify(body, 'kinds') FROM t

BEGIN; SELECT lepton_revoke('kinds', 'corpus_reader'); SET LOCAL ROLE corpus_reader; SELECT id, lepton_classify(body, 'kinds') FROM t WHERE id < 3

BEGIN; INSERT INTO target SELECT id + 1000, body, lepton_classify(body, 'kinds'), lepton_embed(body, 'tiny'), 1 FROM t; SELECT * FROM target WHERE n = 1

BEGIN; INSERT INTO target SELECT id, body, lepton_classify(body, 'kinds'), NULL, 1 FROM t ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, n = target.n + 1; SELECT * FROM target

BEGIN; INSERT INTO target SELECT id + 1000, body, lepton_classify(body, 'kinds') FROM t WHERE id < 30 RETURNING id, kind, lepton_classify(body, 'kinds') = kind

BEGIN; INSERT INTO target (id, body, kind) VALUES (2001, 'a', lepton_classify('a', 'kinds')), (2002, 'b', lepton_classify('b', 'kinds')) RETURNING id, kind

BEGIN; INSERT INTO target (id, kind) VALUES (2001, lepton_classify('a', 'kinds')) RETURNING id, kind

BEGIN; UPDATE target SET kind = lepton_classify(body, 'kinds'), e = lepton_embed(body, 'tiny'); SELECT * FROM target

BEGIN; UPDATE target SET kind = lepton_classify(body, 'kinds') WHERE lepton_classify(body, 'kinds') <> 'ham' AND id % 2 = 0 RETURNING id, kind

BEGIN; UPDATE target SET kind = lepton_classify(u.body, 'kinds') FROM u WHERE u.t_id = target.id; SELECT id, kind FROM target

BEGIN; UPDATE target SET (kind, n) = (SELECT lepton_classify(u.body, 'kinds'), u.id FROM u WHERE u.t_id = target.id ORDER BY u.id LIMIT 1); SELECT id, kind, n FROM target

BEGIN; DELETE FROM target WHERE lepton_classify(body, 'kinds') = 'ham' RETURNING id; SELECT count(*) FROM target

BEGIN; DELETE FROM target USING u WHERE u.t_id = target.id AND u.kind = lepton_classify(target.body, 'kinds') RETURNING target.id

BEGIN; UPDATE parts SET g = length(lepton_classify(body, 'kinds')), id = id + 30 WHERE id < 60; SELECT tableoid::regclass, * FROM parts

BEGIN; DELETE FROM parts WHERE lepton_classify(body, 'kinds') <> 'spam'; SELECT count(*), sum(id) FROM parts

BEGIN; UPDATE parent SET body = lepton_classify(body, 'kinds'); SELECT tableoid::regclass, * FROM parent

BEGIN; MERGE INTO target USING (SELECT id * 2 AS id, lepton_classify(body, 'kinds') k FROM t) q ON target.id = q.id WHEN MATCHED AND q.k = 'ham' THEN DELETE WHEN MATCHED THEN UPDATE SET kind = q.k WHEN NOT MATCHED THEN INSERT (id, kind) VALUES (q.id, q.k); SELECT * FROM target

BEGIN; MERGE INTO target USING t ON target.id = t.id AND lepton_classify(t.body, 'kinds') <> 'ham' WHEN MATCHED THEN UPDATE SET kind = lepton_classify(t.body, 'kinds') WHEN NOT MATCHED AND t.id > 100 THEN INSERT (id, kind) VALUES (t.id, lepton_classify(t.other, 'kinds')); SELECT * FROM target

BEGIN; CREATE TEMP TABLE made AS SELECT id, lepton_classify(body, 'kinds') k, lepton_embed(body, 'tiny') e FROM t; SELECT * FROM made

BEGIN; SELECT id, lepton_classify(body, 'kinds') k INTO TEMP made FROM t; SELECT * FROM made

BEGIN; CREATE MATERIALIZED VIEW mv AS SELECT lepton_classify(body, 'kinds') k, count(*) FROM t GROUP BY 1; UPDATE t SET body = 'changed' WHERE id < 20; REFRESH MATERIALIZED VIEW mv; SELECT * FROM mv

BEGIN; COPY (SELECT id, lepton_classify(body, 'kinds') FROM t) TO stdout

BEGIN; WITH gone AS (DELETE FROM target WHERE lepton_classify(body, 'kinds') = 'ham' RETURNING id, body) SELECT id, lepton_embed(body, 'tiny') FROM gone

BEGIN; WITH put AS (INSERT INTO target SELECT id + 3000, body FROM t RETURNING id, body) SELECT id, lepton_classify(body, 'kinds') FROM put LIMIT 3; SELECT count(*) FROM target

BEGIN; SELECT id, lepton_classify(body, 'kinds') FROM target WHERE id < 20 FOR UPDATE

BEGIN; SELECT id, lepton_classify(body, 'kinds') FROM (SELECT * FROM target ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 5) q

BEGIN; CREATE TABLE gen (id int, body text, k text GENERATED ALWAYS AS (lepton_classify(body, 'kinds')) STORED); INSERT INTO gen SELECT id, body FROM t; SELECT * FROM gen WHERE k = lepton_classify(body, 'kinds')

BEGIN; CREATE TRIGGER tag BEFORE INSERT ON target FOR EACH ROW EXECUTE FUNCTION lepton_classify_trigger(kind, kinds, body); INSERT INTO target SELECT id + 500, body FROM t; SELECT id, kind FROM target

BEGIN; DECLARE c CURSOR FOR SELECT id, lepton_classify(body, 'kinds') FROM t ORDER BY id; FETCH 3 FROM c; FETCH BACKWARD 2 FROM c; FETCH ALL FROM c

BEGIN; DECLARE c SCROLL CURSOR FOR SELECT lepton_classify(body, 'kinds'), id FROM t; FETCH 3 FROM c; FETCH BACKWARD 2 FROM c; FETCH LAST FROM c; FETCH ABSOLUTE 7 FROM c

BEGIN; DECLARE c NO SCROLL CURSOR FOR SELECT id, lepton_classify(body, 'kinds') FROM t; FETCH 3 FROM c; FETCH 100 FROM c; FETCH ALL FROM c

BEGIN; DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT id, lepton_classify(body, 'kinds') FROM t; FETCH 3 FROM c; COMMIT; FETCH ALL FROM c; CLOSE c

BEGIN; DECLARE c CURSOR FOR SELECT id, lepton_classify(body, 'kinds') FROM target; FETCH 5 FROM c; UPDATE target SET n = 99 WHERE CURRENT OF c; FETCH 2 FROM c; SELECT id FROM target WHERE n = 99

BEGIN; DECLARE c CURSOR FOR SELECT id, lepton_classify(body, 'kinds') FROM target WHERE lepton_classify(body, 'kinds') <> 'ham' FOR UPDATE; FETCH 5 FROM c; UPDATE target SET n = 99 WHERE CURRENT OF c; FETCH 2 FROM c; SELECT id FROM target WHERE n = 99

BEGIN; DECLARE c CURSOR FOR SELECT lepton_classify(body, 'kinds') k, count(*) FROM t GROUP BY 1 ORDER BY 1; FETCH 2 FROM c; MOVE BACKWARD 1 FROM c; FETCH 1 FROM c

BEGIN; PREPARE p (int) AS SELECT id, lepton_classify(body, 'kinds') FROM t WHERE id < $1; EXECUTE p (5); EXECUTE p (20); EXECUTE p (3); EXECUTE p (90); EXECUTE p (2); EXECUTE p (2); EXECUTE p (70); DEALLOCATE p

BEGIN; PREPARE p (text, int) AS SELECT id, lepton_similarity(body, $1, 'tiny') FROM t ORDER BY id LIMIT $2; EXECUTE p ('one', 2); EXECUTE p ('message', 3); EXECUTE p ('x', 1); EXECUTE p ('y', 1); EXECUTE p ('z', 1); EXECUTE p ('message', 9); EXECUTE p (NULL, 4); DEALLOCATE p

BEGIN; PREPARE p (text) AS SELECT id, lepton_classify(body, $1) FROM t WHERE id < 9; EXECUTE p ('kinds'); EXECUTE p ('head'); EXECUTE p (NULL); EXECUTE p ('kinds'); EXECUTE p ('none'); DEALLOCATE p

BEGIN; PREPARE p (text) AS SELECT lepton_classify($1, 'kinds'), lepton_embed($1, 'tiny'); EXECUTE p ('a'); EXECUTE p ('b'); EXECUTE p (NULL); DEALLOCATE p

BEGIN; DO $$ DECLARE r record; n int := 0; BEGIN FOR r IN SELECT id, lepton_classify(body, 'kinds') k FROM t LOOP n := n + 1; EXIT WHEN n = 4; END LOOP; END $$

BEGIN; DO $$ DECLARE a text[]; BEGIN FOR i IN 1..3 LOOP a := array(SELECT lepton_classify(body || i, 'kinds') FROM t WHERE id < 10 ORDER BY id); INSERT INTO target VALUES (5000 + i, a::text); END LOOP; END $$; SELECT body FROM target WHERE id > 5000

BEGIN; DO $$ DECLARE v text; BEGIN FOR i IN 1..3 LOOP v := lepton_classify('constant', 'kinds'); v := lepton_classify(v || i, 'kinds'); INSERT INTO target VALUES (5000 + i, v); END LOOP; END $$; SELECT body FROM target WHERE id > 5000

BEGIN; DO $$ DECLARE c CURSOR FOR SELECT id, lepton_classify(body, 'kinds') k FROM target; BEGIN FOR r IN c LOOP UPDATE target SET kind = r.k, n = 7 WHERE CURRENT OF c; EXIT WHEN r.id = 5; END LOOP; END $$; SELECT id, kind FROM target WHERE n = 7

BEGIN; DO $$ BEGIN BEGIN PERFORM lepton_classify(body, 'missing') FROM t; EXCEPTION WHEN undefined_object THEN INSERT INTO target VALUES (6000, 'caught'); END; PERFORM lepton_classify(body, 'kinds') FROM t; END $$; SELECT body FROM target WHERE id = 6000

BEGIN; SELECT setval('s', 100); SELECT lepton_classify(body, 'kinds'), nextval('s') FROM t ORDER BY id LIMIT 3; SELECT last_value FROM s

BEGIN; SELECT setval('s', 100); SELECT id, n, lepton_classify(body, 'kinds') FROM (SELECT id, body, nextval('s') n FROM t OFFSET 0) q LIMIT 3; SELECT last_value FROM s

BEGIN; SELECT setval('s', 100); SELECT id, lepton_classify(body, 'kinds') FROM t WHERE nextval('s') % 2 = 0 LIMIT 3; SELECT last_value FROM s

BEGIN; SELECT setval('s', 100); SELECT nextval('s'), n, lepton_classify(body, 'kinds') FROM (SELECT body, nextval('s') n FROM t OFFSET 0) q; SELECT last_value FROM s

BEGIN; SELECT setval('s', 100); SELECT id, CASE WHEN nextval('s') > 0 THEN lepton_classify(body, 'kinds') END FROM t LIMIT 3; SELECT last_value FROM s

BEGIN; SELECT setseed(0.5); SELECT count(*) FROM (SELECT id, lepton_classify(body, 'kinds') FROM t WHERE random() < 0.5) q

BEGIN; SELECT setseed(0.5); SELECT id, random(), lepton_classify(body, 'kinds') FROM (SELECT id, body FROM t ORDER BY id OFFSET 0) q

SELECT t, lepton_classify(t.body, 'kinds') FROM t WHERE id < 20

SELECT q, lepton_classify(q.body, 'kinds') FROM (SELECT id, body, g FROM t OFFSET 0) q WHERE id < 20

SELECT tableoid::regclass, ctid, lepton_classify(body, 'kinds') FROM parts

SELECT id, lepton_classify(body, 'kinds') FROM t WHERE ctid = '(0,3)'

SELECT id, lepton_classify(body, 'kinds') FROM t WHERE ctid < '(1,0)'

SELECT id, lepton_classify(body, 'kinds') FROM t WHERE id = ANY ('{1,5,9}')

SELECT id, lepton_classify(body, 'kinds') FROM parts WHERE id = 50

SELECT id, lepton_classify(body, 'kinds'), junk = repeat(md5(id::text), 400) FROM wide

SELECT junk, lepton_classify(body, 'kinds') FROM wide WHERE id < 4

/* ordered */ SELECT id, lepton_classify(body, 'kinds') FROM parts ORDER BY id LIMIT 50

/* ordered */ SELECT id, lepton_classify(body, 'kinds') FROM (SELECT id, body FROM t UNION ALL SELECT id, body FROM u) q ORDER BY id, 2 LIMIT 20

SELECT (lepton_embed('constant', 'tiny'))[1], id FROM t WHERE id < 5

SELECT id FROM t WHERE lepton_classify('constant', 'kinds') = 'ham'

SELECT id FROM t WHERE lepton_classify('constant', 'kinds') = lepton_classify('constant') AND id < 9

SELECT lepton_classify('constant', 'kinds'), (lepton_embed('constant', 'tiny'))[1]

SELECT lepton_classify('constant', 'kinds') UNION ALL SELECT lepton_classify('another', 'kinds')

SELECT count(*) FROM t GROUP BY lepton_classify('constant', 'kinds')

SELECT q.k, u.id FROM (SELECT lepton_classify('constant', 'kinds') k) q JOIN u ON u.kind = q.k

SELECT id, kind = lepton_classify('constant', 'kinds') FROM u WHERE kind = lepton_classify('constant', 'kinds')

SELECT * FROM (VALUES (1, lepton_classify('a', 'kinds')), (2, lepton_classify('b', 'kinds'))) v (a, b)

SELECT x, lepton_classify(x, 'kinds') FROM unnest(ARRAY['a', 'b', NULL, 'a']) x

SELECT x.*, lepton_classify(x.b, 'kinds') FROM json_to_recordset('[{"a":1,"b":"one"},{"a":2,"b":null}]') x (a int, b text)

SELECT x.*, lepton_classify(x.b, 'kinds') FROM xmltable('/r/v' PASSING '<r><v>one</v><v>two</v></r>' COLUMNS b text PATH '.') x

SELECT jsonb_build_object('k', lepton_classify(body, 'kinds')), to_jsonb(lepton_embed(body, 'tiny')) FROM t WHERE id < 9

SELECT id, lepton_classify(format('%s %s', body, other), 'kinds') FROM t

SELECT id, lepton_embed(body, 'tiny') FROM t WHERE lepton_classify(body, 'kinds') = 'ham' AND lepton_classify(other, 'kinds') = 'ham' AND g > 1

SELECT a.id, b.id, c.id FROM t a, t b, t c WHERE a.id = b.id AND b.id = c.id AND lepton_classify(a.body || b.other, 'kinds') = lepton_classify(c.body, 'kinds')

SELECT id, (SELECT string_agg(lepton_classify(x, 'kinds'), ',' ORDER BY n) FROM regexp_split_to_table(t.body, ' ') WITH ORDINALITY r (x, n)) FROM t WHERE id < 20

SELECT g, k, count(*) FROM (SELECT g, lepton_classify(body, 'kinds') k FROM t OFFSET 0) q GROUP BY CUBE (g, k)

SELECT * FROM ROWS FROM (generate_series(1, 5), unnest(lepton_embed('constant', 'tiny'))) r (a, b)

EXPLAIN (COSTS OFF) SELECT 1

-- Functions that return sets: in LATERAL, in select lists, in subqueries for each row.

SELECT t.id, s.label, s.score > 0.2 FROM t, lepton_classify_scores(t.body) s

/* ordered */ SELECT t.id, s.* FROM t, lepton_classify_scores(t.body, 'kinds') WITH ORDINALITY s (l, p, n) WHERE n < 3 ORDER BY t.id, n

SELECT t.id, s.label FROM t LEFT JOIN LATERAL lepton_classify_scores(t.body, 'kinds') s ON true

SELECT t.id, s.label FROM t LEFT JOIN LATERAL lepton_classify_scores(t.body, 'kinds') s ON s.label = 'ham' AND s.score > 0.3

SELECT t.id, s.label FROM t LEFT JOIN LATERAL lepton_classify_scores(t.body, 'kinds') s ON t.g > 5

SELECT t.id, s.label FROM t LEFT JOIN LATERAL lepton_classify_scores((10 / t.g)::text, 'kinds') s ON true WHERE t.g > 0

SELECT t.id, s.label FROM t, LATERAL (SELECT * FROM lepton_classify_scores((10 / t.g)::text, 'kinds') WHERE t.g > 0 OFFSET 0) s

SELECT t.id, s.label FROM t LEFT JOIN LATERAL (SELECT * FROM lepton_classify_scores(t.body, 'kinds') ORDER BY score DESC LIMIT 1) s ON true

SELECT t.id, s.label, r.score FROM t, lepton_classify_scores(t.body, 'kinds') s, lepton_classify_scores(s.label, 'kinds') r WHERE t.id < 40

SELECT t.id, u.id, s.label FROM t JOIN u ON u.t_id = t.id, lepton_classify_scores(u.body || t.body, 'kinds') s

SELECT t.id, u.id, s.label, r.label FROM t, lepton_classify_scores(t.body, 'kinds') s, u, lepton_classify_scores(u.body, 'kinds') r WHERE u.t_id = t.id AND s.label = r.label

SELECT t.id, u.id, s.label FROM u, t, lepton_classify_scores(coalesce(t.body, u.body), 'kinds') s WHERE u.id = t.id AND t.g < 5

SELECT t.id, r.* FROM t, ROWS FROM (lepton_classify_scores(t.body, 'kinds'), generate_series(1, t.g), lepton_classify_scores(t.other)) WITH ORDINALITY r

SELECT t.id, s.label, lepton_classify(s.label || t.body, 'kinds') FROM t, lepton_classify_scores(t.body, 'kinds') s WHERE lepton_classify(s.label, 'kinds') <> 'none'

SELECT id, lepton_classify_scores(body, 'kinds') FROM t

SELECT id, (lepton_classify_scores(body, 'kinds')).* FROM t WHERE id < 50

SELECT id, (lepton_classify_scores(lepton_classify(body, 'kinds'), 'kinds')).label, lepton_classify(body, 'kinds') FROM t

SELECT id, lepton_classify_scores(body, 'kinds'), lepton_classify_scores(other, 'kinds'), generate_series(1, 4) FROM t WHERE id < 50

SELECT id, generate_series(1, g), (lepton_classify_scores(body)).label FROM t WHERE id < 50

SELECT (lepton_classify_scores(max(body), 'kinds')).label, g FROM t GROUP BY g

SELECT id, (SELECT label FROM lepton_classify_scores(body, 'kinds') ORDER BY score LIMIT 1) FROM t

SELECT id, ARRAY(SELECT label FROM lepton_classify_scores(body, 'kinds') ORDER BY score), lepton_classify(body, 'kinds') FROM t

SELECT id, best, sure FROM (SELECT id, (SELECT label FROM lepton_classify_scores(t.body, 'kinds') ORDER BY score LIMIT 1) best, EXISTS (SELECT FROM lepton_classify_scores(t.other, 'kinds') s WHERE s.score > 0.5) sure FROM t) q WHERE sure AND best IS NOT NULL

SELECT id, best, sure FROM (SELECT id, (SELECT label FROM lepton_classify_scores(t.body, 'kinds') ORDER BY score LIMIT 1) best, EXISTS (SELECT FROM lepton_classify_scores(t.other, 'kinds') s WHERE s.score > 0.5) sure FROM t) q WHERE best IS NOT NULL AND coalesce(sure, best = 'ham') AND (sure OR id > 3)

SELECT id, (SELECT string_agg(label, ',' ORDER BY score) FROM lepton_classify_scores(lepton_classify(t.body, 'kinds'), 'kinds')) FROM t

SELECT id, (SELECT lepton_classify(t.body, 'kinds')), (SELECT count(*) FROM u WHERE u.kind = lepton_classify(t.body, 'kinds')) FROM t

SELECT id, CASE WHEN g > 3 THEN (SELECT label FROM lepton_classify_scores(body, 'kinds') ORDER BY score LIMIT 1) END FROM t

SELECT id, CASE WHEN g > 0 THEN (SELECT count(*) FROM lepton_classify_scores((10 / g)::text, 'kinds')) END FROM t

SELECT id FROM t WHERE EXISTS (SELECT FROM lepton_classify_scores(t.body, 'kinds') s WHERE s.label = 'ham' AND s.score > 0.3)

SELECT id FROM t WHERE NOT EXISTS (SELECT FROM lepton_classify_scores(t.body, 'kinds') s WHERE s.score > 0.5) AND g < 8 AND lepton_classify(other, 'kinds') <> 'none'

SELECT id FROM t WHERE 'ham' = ANY (SELECT label FROM lepton_classify_scores(t.body, 'kinds') s WHERE s.score > 0.2)

SELECT id, lepton_classify(body, 'kinds') FROM t WHERE 0.3 < (SELECT max(score) FROM lepton_classify_scores(t.body, 'kinds'))

/* ordered */ SELECT id FROM t ORDER BY (SELECT max(score) FROM lepton_classify_scores(t.body, 'kinds')), id

/* ordered */ SELECT t.id, s.label FROM t LEFT JOIN LATERAL lepton_classify_scores(t.body, 'kinds') s ON true ORDER BY t.id, s.score, s.label LIMIT 20

SELECT count(*) FROM (SELECT t.id, s.label FROM t, lepton_classify_scores(t.body, 'kinds') s LIMIT 7) q

SELECT count(*) FROM (SELECT t.id, s.label FROM t LEFT JOIN LATERAL lepton_classify_scores(t.body, 'kinds') s ON true LIMIT 10 OFFSET 3) q

SELECT s.label, count(*), sum(s.score::numeric) FROM parts, lepton_classify_scores(parts.body, 'kinds') s GROUP BY s.label

SELECT s.label, q.id FROM (SELECT id, body FROM t UNION ALL SELECT id, body FROM u) q, lepton_classify_scores(q.body, 'kinds') s

SELECT DISTINCT s.label FROM t, lepton_classify_scores(t.body, 'kinds') s

SELECT * FROM lepton_classify_scores('constant', 'kinds') s, u WHERE u.kind = s.label

SELECT t.id, s.label FROM t, lepton_classify_scores(t.body, CASE WHEN t.id < 1000 THEN 'kinds' END) s WHERE t.id < 20

SELECT t.id, s.label FROM t, lepton_classify_scores(t.body, NULL) s

SELECT t.id, s.label FROM t LEFT JOIN LATERAL lepton_classify_scores(t.body, 'no such model') s ON true WHERE t.body IS NULL

SELECT t.id, s.label FROM t, lepton_classify_scores(t.body, 'no such model') s

SELECT t.id, s.label FROM t, lepton_classify_scores(t.body, 'head') s, lepton_classify_scores(t.body, 'kinds') r WHERE t.id < 60

BEGIN; SET LOCAL lepton.truncate = off; SELECT t.id, s.label FROM t LEFT JOIN LATERAL lepton_classify_scores(t.body, 'kinds') s ON true WHERE t.id < 31

BEGIN; SET LOCAL lepton.truncate = off; SELECT t.id, s.label FROM t LEFT JOIN LATERAL lepton_classify_scores(t.body, 'kinds') s ON true

BEGIN; SET LOCAL ROLE corpus_reader; SELECT s.id, r.label FROM secret s, lepton_classify_scores(s.body, 'kinds') r

BEGIN; SET LOCAL ROLE corpus_reader; SELECT set_config('corpus.seen', '', true); SELECT count(*) FROM secret s, lepton_classify_scores(s.body, 'kinds') r WHERE seen(s.body); SELECT current_setting('corpus.seen') LIKE '%SECRET%'

BEGIN; REVOKE EXECUTE ON FUNCTION lepton_classify_scores(text, text) FROM public; SET LOCAL ROLE corpus_reader; SELECT s.label FROM t, lepton_classify_scores(t.body, 'kinds') s

BEGIN; SELECT lepton_revoke('kinds', 'corpus_reader'); SET LOCAL ROLE corpus_reader; SELECT s.label FROM t, lepton_classify_scores(t.body, 'kinds') s

BEGIN; SELECT setval('s', 100); SELECT s.label, nextval('s') FROM t, lepton_classify_scores(t.body, 'kinds') s WHERE t.id < 5; SELECT last_value FROM s

BEGIN; SELECT setval('s', 100); SELECT q.n, s.label FROM (SELECT body, nextval('s') n FROM t OFFSET 0) q, lepton_classify_scores(q.body, 'kinds') s LIMIT 3; SELECT last_value FROM s

BEGIN; INSERT INTO target (id, body, kind) SELECT 1000 + t.id * 10 + n, t.body, s.label FROM t, lepton_classify_scores(t.body, 'kinds') WITH ORDINALITY s (label, score, n); SELECT id, kind FROM target WHERE id > 1000

BEGIN; UPDATE target SET kind = s.label FROM t, lepton_classify_scores(t.body, 'kinds') s WHERE t.id = target.id AND s.score > 0.35 AND t.id < 40; SELECT count(kind) FROM target

BEGIN; UPDATE target SET kind = (SELECT label FROM lepton_classify_scores(body, 'kinds') ORDER BY score DESC LIMIT 1) WHERE id < 30; SELECT id, kind FROM target

BEGIN; DELETE FROM target WHERE EXISTS (SELECT FROM lepton_classify_scores(target.body, 'kinds') s WHERE s.score > 0.4) RETURNING id

BEGIN; DECLARE c CURSOR FOR SELECT t.id, s.label FROM t, lepton_classify_scores(t.body, 'kinds') s; FETCH 5 FROM c; FETCH 3 FROM c; CLOSE c; SELECT lepton_classify('after', 'kinds')

BEGIN; DECLARE c SCROLL CURSOR FOR SELECT t.id, s.label FROM t, lepton_classify_scores(t.body, 'kinds') s; FETCH 5 FROM c; FETCH BACKWARD 3 FROM c; FETCH LAST FROM c

BEGIN; PREPARE p (int) AS SELECT t.id, s.label FROM t, lepton_classify_scores(t.body, 'kinds') s WHERE t.id < $1; EXECUTE p (5); EXECUTE p (20); EXECUTE p (3); EXECUTE p (9); EXECUTE p (2); EXECUTE p (2); EXECUTE p (30); DEALLOCATE p

WITH RECURSIVE r (n, k) AS (SELECT 1, 'start' UNION ALL SELECT n + 1, s.label || n FROM r, lepton_classify_scores(r.k, 'kinds') s WHERE n < 4) SELECT * FROM r

SELECT t.id, s.label FROM t, LATERAL (SELECT label FROM lepton_classify_scores(t.body, 'kinds') UNION ALL SELECT label FROM lepton_classify_scores(t.other, 'kinds')) s

SELECT t.id, s.k FROM t, LATERAL (SELECT lepton_classify(t.body, 'kinds') k UNION ALL SELECT lepton_classify(t.other, 'kinds')) s

SELECT x, s.label FROM unnest(ARRAY['a', 'b', NULL, 'a']) x, lepton_classify_scores(x, 'kinds') s

SELECT q.k, s.label FROM (SELECT DISTINCT lepton_classify(body, 'kinds') k FROM t) q, lepton_classify_scores(q.k, 'kinds') s

SELECT s.label FROM t JOIN LATERAL lepton_classify_scores(t.body, 'kinds') s ON s.label = t.label OR t.g = 3

-- Every task's function.

SELECT t.id, e.* FROM t, lepton_entities(t.body, 'names') e

SELECT t.id, e.* FROM t LEFT JOIN LATERAL lepton_entities(t.body, 'names', stride => 8, aggregation => 'none') e ON e."end" > 5

SELECT t.id, e.* FROM t, lepton_entities(t.body, 'names', -1, CASE WHEN t.g > 4 THEN 'simple' ELSE 'max' END) e

SELECT t.id, e.* FROM t, lepton_entities(t.body, 'names', -1, CASE WHEN t.g > 4 THEN 'simple' ELSE 'wrong' END) e

SELECT t.id, e.* FROM t, lepton_entities(t.body, 'names', CASE WHEN t.g > 4 THEN 4 END) e

SELECT t.id, a.* FROM t, lepton_answer('which message', t.body, 'reader') a

SELECT t.id, a.* FROM t LEFT JOIN LATERAL lepton_answer(t.other, t.body, 'reader', top_k => 3, handle_impossible => t.g > 5) a ON true

SELECT t.id, a.* FROM t JOIN u ON u.t_id = t.id, lepton_answer(u.body, t.body, 'reader', doc_stride => 6, max_seq_len => 24) WITH ORDINALITY a

SELECT t.id, s.*, a.answer, e.entity FROM t, lepton_classify_scores(t.body, 'kinds') s, lepton_answer(s.label, t.body, 'reader') a LEFT JOIN LATERAL lepton_entities(a.answer, 'names') e ON true WHERE t.id < 30

SELECT t.id, z.* FROM t, lepton_zero_shot(t.body, ARRAY['message', 'word', t.other], 'tiny') z WHERE t.other IS NOT NULL

SELECT t.id, z.* FROM t, lepton_zero_shot(t.body, ARRAY['message', 'word'], 'tiny', multi_label => t.g > 4, hypothesis => 'a {} of ' || t.g) z

SELECT t.id, f.* FROM t, lepton_fill_mask(replace(t.body, 'message', '[MASK]'), 'gaps', 2) f WHERE t.body LIKE 'message%'

SELECT t.id, f.* FROM t, lepton_fill_mask('[MASK] ' || coalesce(t.body, 'no'), 'gaps', targets => ARRAY['k', 'z']) f WHERE t.id < 60

SELECT t.id, f.* FROM t, lepton_fill_mask(t.body, 'gaps') f WHERE t.id < 5

SELECT t.id, count(*), sum(s.weight::numeric) FROM t, lepton_sparse_embed(t.body, 'sparse') s GROUP BY t.id

SELECT a.id, b.id, sum(x.weight::numeric * y.weight::numeric) FROM t a, lepton_sparse_embed(a.body, 'sparse') x, t b, lepton_sparse_embed(b.body, 'sparse') y WHERE x.token = y.token AND a.id < 6 AND b.id = a.id + 1 GROUP BY 1, 2

SELECT id, (lepton_entities(body, 'names')).*, (lepton_answer('which', body, 'reader')).answer FROM t WHERE id < 60

SELECT id, (SELECT string_agg(entity, ',' ORDER BY start) FROM lepton_entities(body, 'names')), (SELECT answer FROM lepton_answer(other, body, 'reader')) FROM t

SELECT id, lepton_classify(body, other, 'kinds'::text), lepton_rerank(body, other, 'score'), lepton_embed(body, 'tiny', 'message ', true) FROM t

/* ordered */ SELECT id FROM t ORDER BY lepton_rerank('message one', body, 'score') DESC NULLS LAST, id LIMIT 9

SELECT id FROM t WHERE EXISTS (SELECT FROM lepton_entities(t.body, 'names') e WHERE e.label <> 'LABEL_1') AND lepton_rerank('message', body, 'score') > 0.001

BEGIN; INSERT INTO target (id, kind, n) VALUES (2001, lepton_classify('a', 'b'::text, 'kinds'::text), (100 * lepton_rerank('a', 'message', 'score'))::int), (2002, lepton_classify('c', 'd'::text, 'kinds'::text), (100 * lepton_rerank('b', 'word', 'score'))::int); SELECT id, kind, n FROM target WHERE id > 2000

BEGIN; UPDATE target SET kind = (SELECT string_agg(label, ',' ORDER BY start) FROM lepton_entities(body, 'names')); SELECT id, kind FROM target

-- Lists of values.

BEGIN; INSERT INTO target (id, body, kind, e) VALUES (2001, 'a', lepton_classify('a', 'kinds'), lepton_embed('a', 'tiny')), (2002, NULL, lepton_classify(NULL, 'kinds'), lepton_embed('a', 'tiny')), (2003, 'c', lepton_classify('c', 'kinds'), lepton_embed('c' || 'd', 'tiny')) RETURNING id, kind, e[1]

BEGIN; INSERT INTO target (id, kind) VALUES (2001, upper(lepton_classify('a', 'kinds')) || '!'), (2002, upper(lepton_classify('b', 'kinds')) || '!'), (2003, upper(lepton_classify('b', 'kinds')) || '!'); SELECT id, kind FROM target WHERE id > 2000

BEGIN; INSERT INTO target (id, kind) VALUES (2001, lepton_classify('a', 'kinds')), (2002, DEFAULT), (2003, 'given'); SELECT id, kind FROM target WHERE id > 2000

BEGIN; INSERT INTO target (id, kind) VALUES (2001, lepton_classify('a', 'kinds')), (2002, lepton_classify('b')), (2003, lepton_classify('b', 'head')); SELECT id, kind FROM target WHERE id > 2000

BEGIN; INSERT INTO target (id, kind) VALUES (2001, lepton_classify('a', 'kinds')), (2002, lepton_classify('b', 'none')); SELECT id, kind FROM target WHERE id > 2000

BEGIN; INSERT INTO target (id, kind) VALUES (1, lepton_classify('a', 'kinds')), (2002, lepton_classify('b', 'kinds')) ON CONFLICT (id) DO UPDATE SET kind = excluded.kind || '+'; SELECT id, kind FROM target WHERE id IN (1, 2002)

BEGIN; SELECT setval('s', 100); INSERT INTO target (id, kind, n) VALUES (2001, lepton_classify('a', 'kinds'), nextval('s')), (2002, lepton_classify('b', 'kinds'), nextval('s')); SELECT id, kind, n FROM target WHERE id > 2000

BEGIN; INSERT INTO target (id, kind) VALUES (2001, lepton_classify((SELECT max(body) FROM u), 'kinds')), (2002, lepton_classify('b', 'kinds')); SELECT id, kind FROM target WHERE id > 2000

BEGIN; PREPARE p (text, text) AS INSERT INTO target (id, kind) VALUES (2001, lepton_classify($1, 'kinds')), (2002, lepton_classify($2, 'kinds')) RETURNING kind; EXECUTE p ('a', 'b'); DELETE FROM target WHERE id > 2000; EXECUTE p (NULL, 'c'); DEALLOCATE p

SELECT v.b, v.a + 1, length(v.b) FROM (VALUES (1, lepton_classify('a', 'kinds')), (2, lepton_classify('b', 'kinds')), (3, lepton_classify('a', 'kinds'))) v (a, b) WHERE v.b <> 'none' AND a > 1

SELECT t.id, v.b FROM t JOIN (VALUES (1, lepton_classify('a', 'kinds')), (2, lepton_classify('b', 'kinds'))) v (a, b) ON t.g = v.a

SELECT t.id FROM t WHERE lepton_classify(body, 'kinds') IN (VALUES (lepton_classify('a', 'kinds')), (lepton_classify('b', 'kinds')))

SELECT t.id, (SELECT max(b) FROM (VALUES (t.id, lepton_classify('a', 'kinds')), (2, lepton_classify(t.body, 'kinds'))) v (a, b)) FROM t WHERE id < 30

SELECT v FROM (VALUES (1, lepton_classify('a', 'kinds')), (2, lepton_classify('b', 'kinds'))) v (a, b)

VALUES (lepton_classify('a', 'kinds')), (lepton_classify('b', 'kinds')), (lepton_classify('a', 'kinds'))
