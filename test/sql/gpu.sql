-- Without a GPU: the same SQL on the CPU, and what is said about it.
\getenv dir PG_ABS_SRCDIR
\set tiny :dir '/data/tiny'
SELECT name FROM lepton_load_model('tiny', :'tiny');
SHOW lepton.device;
\d lepton_gpu
SELECT state, device, pid, models, batches, reason IS NOT NULL AS reason FROM lepton_gpu;
CREATE TABLE answers AS SELECT lepton_embed('a text', 'tiny') AS e;
SET lepton.device = cpu;
SELECT e = lepton_embed('a text', 'tiny') AS same FROM answers;
\set VERBOSITY terse
SET lepton.device = gpu;
SELECT lepton_embed('a text', 'tiny');
SELECT lepton_embed('another text') FROM answers;
SELECT lepton_tokenize('a text', 'tiny') IS NOT NULL AS tokens;
EXPLAIN (COSTS OFF) SELECT lepton_embed('a text', 'tiny');
SET lepton.device = tpu;
SET lepton.gpu_batch_tokens = 10;
SET lepton.gpu_memory = '1GB';
\set VERBOSITY default
RESET lepton.device;
SELECT e = lepton_embed('a text', 'tiny') AS same FROM answers;
-- Batches are as large as the CPU wants them.
SET lepton.gpu_batch_tokens = 32768;
CREATE TABLE many AS SELECT i, repeat('word ' || i || ' ', 10) AS body FROM generate_series(1, 200) i;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON) SELECT lepton_embed(body, 'tiny') FROM many \g |grep -c '"Device": "cpu"'
CREATE ROLE regress_lepton_gpu;
SET ROLE regress_lepton_gpu;
SELECT count(*) FROM lepton_gpu;
RESET ROLE;
DROP ROLE regress_lepton_gpu;
DROP TABLE answers, many;
SELECT lepton_drop_model('tiny');
