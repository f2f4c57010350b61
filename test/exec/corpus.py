"""Queries of every shape, run with batching off and then on in many ways: the same rows, the same errors.

    python3 test/exec/corpus.py path/to/psql

PGHOST, PGPORT and PGUSER name a server where lepton is installed; a database lepton_corpus is made anew. Rows are compared
without their order unless the query has one of its own (it begins with /* ordered */). Prints how many queries had a
LeptonBatch node, what differs, and "N passed, N failed".
"""
import itertools
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent / "data"

# What a select list may hold.
VALUES = [
    "lepton_embed(body, 'tiny')",
    "lepton_classify(body, 'kinds')",
    "lepton_classify(body)",
    "lepton_similarity(body, 'message', 'tiny')",
    "(lepton_embed(body, 'tiny'))[1]",
    "lepton_similarity(lepton_embed(body, 'tiny'), lepton_embed('message one', 'tiny'))",
    "length(lepton_classify(body, 'kinds')) + id",
    "CASE WHEN id % 2 = 0 THEN lepton_classify(body, 'kinds') ELSE 'odd' END",
    "coalesce(lepton_classify(body, 'kinds'), 'none')",
    "coalesce(nullif(body, 'message 3'), lepton_classify('x' || id, 'kinds'))",
    "CASE lepton_classify(body, 'kinds') WHEN 'ham' THEN 1 WHEN 'spam' THEN cardinality(lepton_embed(body, 'tiny')) END",
    "lepton_classify(lepton_classify(body, 'kinds'), 'kinds')",
    "ARRAY[lepton_classify(body, 'kinds'), body]",
    "ROW(id, lepton_classify(upper(body), 'kinds'))",
    "greatest(lepton_classify(body, 'kinds'), lepton_classify(body || ' more', 'kinds'))",
    "lepton_classify(body, 'kinds') IS NULL",
    "lepton_embed(body, 'tiny') = lepton_embed(body, 'tiny')",
    "md5(lepton_embed(body, 'tiny')::text) || lepton_classify(body, 'kinds')",
    "(SELECT lepton_classify(body, 'kinds'))",
    "lepton_embed(body::varchar, 'tiny')",
    "lepton_classify(body, 'head')",
    "lepton_classify(body, 'head') || lepton_classify(body, 'kinds') || (lepton_embed(body, 'tiny'))[2]",
    "lepton_rerank('message', body, 'score')",
    "lepton_classify(body, 'pair ' || id, 'kinds'::text)",
    "(lepton_embed(body, 'tiny', 'message ' || id % 3, true))[1]",
    "CASE WHEN id % 2 = 0 THEN lepton_rerank(body, 10 / (id % 2 + 1) || 'x', 'score') END",
    "(SELECT label FROM lepton_entities(body, 'names') ORDER BY start LIMIT 1)",
]

# Where rows may come from; each has id and body.
SOURCES = [
    "t",
    "(SELECT * FROM t WHERE id < 50 OFFSET 0) q",
    "parts",
    "parent",
    "empty",
    "(SELECT t.id, u.body FROM t JOIN u ON u.t_id = t.id) q",
    "(SELECT t.id, u.body FROM t LEFT JOIN u ON u.t_id = t.id) q",
    "(SELECT id, body FROM t UNION ALL SELECT id, body FROM u) q",
    "(SELECT id, body FROM t UNION SELECT id, body FROM u) q",
    "(SELECT g AS id, max(body) AS body FROM t GROUP BY g) q",
    "(VALUES (1, 'one'), (2, 'two'), (3, NULL), (4, 'one')) q (id, body)",
    "(SELECT i AS id, 'text ' || i % 9 AS body FROM generate_series(1, 40) i) q",
    "wide",
    "t TABLESAMPLE bernoulli (50) REPEATABLE (3)",
    "(SELECT DISTINCT ON (body) id, body FROM t ORDER BY body, id) q",
    "(SELECT id, body, row_number() OVER (ORDER BY id) FROM t) q",
]

# What a filter may be.
FILTERS = [
    "true",
    "lepton_classify(body, 'kinds') = 'ham'",
    "id % 3 = 0 AND lepton_classify(body, 'kinds') <> 'ham'",
    "lepton_similarity(body, 'message', 'tiny') > 0.5 OR id % 2 = 0",
    "id % 2 = 0 OR lepton_classify(body, 'kinds') = 'spam'",
    "lepton_classify(body, 'kinds') = 'ham' AND (lepton_embed(body, 'tiny'))[1] < 1",
    "NOT (lepton_classify(body, 'kinds') IN ('ham', 'news') AND id > 20)",
    "lepton_classify(body, 'kinds') = lepton_classify('a constant', 'kinds')",
    "lepton_classify(body, 'kinds') = ANY (ARRAY['ham', 'spam'])",
    "lepton_classify(body, 'kinds') IS NOT DISTINCT FROM 'news'",
    "EXISTS (SELECT FROM u WHERE u.t_id = id AND lepton_classify(u.body, 'kinds') <> 'none')",
    "id IN (SELECT t_id FROM u WHERE lepton_classify(u.body, 'kinds') = u.kind)",
    "lepton_classify(body, 'kinds') NOT IN (SELECT kind FROM u WHERE kind <> 'ham')",
    "id > (SELECT count(*) / 4 FROM u WHERE lepton_classify(u.body, 'kinds') = 'ham')",
]


def generated():
    """Combine values, sources and filters: every value and filter over t, every source with some."""
    for value, where in itertools.product(VALUES, FILTERS[:8]):
        yield f"SELECT id, {value} FROM t WHERE {where}"
    for n, source in enumerate(SOURCES):
        for k in range(6):
            value, where = VALUES[(n + 3 * k) % len(VALUES)], FILTERS[(2 * n + k) % len(FILTERS)]
            yield f"SELECT id, {value} FROM {source} WHERE {where}"
        yield f"SELECT {VALUES[n % 5]}, count(*) FROM {source} GROUP BY 1"
    for where in FILTERS:
        yield f"SELECT count(*), min(id) FROM t WHERE {where}"
        yield f"/* ordered */ SELECT id FROM t WHERE {where} ORDER BY id LIMIT 7"


def written():
    """Read the statements of queries.sql: separated by empty lines, each perhaps of several lines."""
    text = (HERE / "queries.sql").read_text()
    for block in re.split(r"\n\s*\n", text):
        lines = [line for line in block.splitlines() if not line.startswith("--")]
        if lines:
            yield "\n".join(lines).rstrip().rstrip(";")


def forced(version):
    """Settings that give every query workers."""
    name = "debug_parallel_query" if version >= 160000 else "force_parallel_mode"
    return [f"{name} = regress", "parallel_setup_cost = 0", "parallel_tuple_cost = 0",
            "min_parallel_table_scan_size = 0", "min_parallel_index_scan_size = 0",
            "max_parallel_workers_per_gather = 2"]


def variants(version):
    """Name the ways of running, the reference first."""
    spread = forced(version)[1:]
    yield "row by row", ["lepton.enable_batching = off", "max_parallel_workers_per_gather = 0"]
    yield "batched", []
    for n in (1, 2, 7, 64):
        yield f"{n} rows", [f"lepton.batch_rows = {n}", "max_parallel_workers_per_gather = 0"]
    yield "64 tokens, 64 kB", ["lepton.batch_tokens = 64", "work_mem = '64kB'", "max_parallel_workers_per_gather = 0"]
    yield "workers", spread
    yield "workers, 2 rows", spread + ["lepton.batch_rows = 2"]
    yield "workers, leader idle", spread + ["parallel_leader_participation = off"]
    yield "one worker for all", forced(version)
    yield "hash joins only", ["enable_nestloop = off", "enable_mergejoin = off"]
    yield "merge joins only", ["enable_nestloop = off", "enable_hashjoin = off"]
    yield "nested loops only", ["enable_hashjoin = off", "enable_mergejoin = off", "enable_material = off"]
    yield "no sequential scans", ["enable_seqscan = off", "enable_sort = off", "enable_hashagg = off"]
    yield "generic plans, JIT", ["plan_cache_mode = force_generic_plan", "jit_above_cost = 0"]
    yield "copied and read again", copied(version)


def copied(version):
    """Settings of servers that can copy, write and read every plan."""
    return ["debug_copy_parse_plan_trees = on", "debug_write_read_parse_plan_trees = on"] if version >= 180000 else []


class Psql:
    """A way to run scripts."""

    def __init__(self, path):
        self.path = path

    def run(self, script, database="lepton_corpus"):
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
            file.write(script)
            file.flush()
            env = dict(os.environ, PGOPTIONS="-c client_min_messages=warning")
            done = subprocess.run([self.path, "-X", "-q", "-A", "-t", "-d", database, "-f", file.name], env=env,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        return re.sub(r"psql:\S+:\d+: ", "", done.stdout)

    def answers(self, queries, settings):
        """Run all queries; a list of the lines that each gave."""
        script = ["\\set VERBOSITY default", "LOAD 'lepton';"] + [f"SET {setting};" for setting in settings]
        for n, query in enumerate(queries):
            script += [f"\\echo <{n}>", query if query.endswith(";") else query + ";", "ROLLBACK; DEALLOCATE ALL;" if "BEGIN" in query else ""]
        parts = re.split(r"^<(\d+)>\n", self.run("\n".join(script) + "\n"), flags=re.M)
        found = dict(zip(map(int, parts[1::2]), parts[2::2]))
        out = []
        for n, query in enumerate(queries):
            lines = [line for line in found.get(n, "(no answer)").splitlines()
                     if not line.startswith(("CONTEXT:", "LINE ")) and line.strip() != "^" and "there is no transaction" not in line]
            out.append(lines if "/* ordered */" in query else sorted(lines))
        return out


def prepare(psql):
    """Make the database; returns the server's version."""
    psql.run("DROP DATABASE IF EXISTS lepton_corpus;\nCREATE DATABASE lepton_corpus;", "postgres")
    out = psql.run(f"CREATE EXTENSION lepton; SELECT lepton_load_model('tiny', '{DATA}/tiny'), "
                   f"lepton_load_model('kinds', '{DATA}/tiny_classify'), lepton_load_model('score', '{DATA}/tiny_score');\n"
                   f"SELECT lepton_load_model('names', '{DATA}/families/bert-entities'), "
                   f"lepton_load_model('reader', '{DATA}/families/bert-answer'), "
                   f"lepton_load_model('gaps', '{DATA}/families/distilbert-mask'), "
                   f"lepton_load_model('sparse', '{DATA}/families/bert-mask-splade');\n"
                   "SELECT 1 FROM lepton_train('head', 'tiny', $$SELECT 'message ' || i, CASE WHEN i % 2 = 0 THEN 'even' "
                   "ELSE 'odd' END FROM generate_series(1, 40) i$$);\n")
    out += psql.run((HERE / "tables.sql").read_text())
    if "ERROR" in out:
        sys.exit(out)
    return int(psql.run("SHOW server_version_num;").strip())


def main():
    psql = Psql(sys.argv[1] if len(sys.argv) > 1 else "psql")
    version = prepare(psql)
    queries = list(generated()) + [q for q in written() if not ("/* 17 */" in q and version < 170000)]
    plans = psql.answers(["EXPLAIN (COSTS OFF) " + q for q in queries if re.match(r"(/\*.*\*/ )?(SELECT|WITH|INSERT|UPDATE|DELETE|MERGE)", q)], [])
    print(f"{len(queries)} queries, {sum('LeptonBatch' in str(p) for p in plans)} of {len(plans)} single statements with a LeptonBatch node")
    passed = failed = 0
    reference = None
    for name, settings in variants(version):
        answers = psql.answers(queries, settings)
        if reference is None:
            reference = answers
            errors = sum(any(line.startswith("ERROR") for line in lines) for lines in answers)
            print(f"{errors} of them give an error, {sum(not lines for lines in answers)} give nothing")
            continue
        wrong = [n for n, lines in enumerate(answers) if lines != reference[n]]
        passed += len(queries) - len(wrong)
        failed += len(wrong)
        print(f"{name}: {len(wrong)} differ", flush=True)
        for n in wrong[:5]:
            print(f"    {queries[n]}\n        wanted {str(reference[n])[:300]}\n        got    {str(answers[n])[:300]}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
