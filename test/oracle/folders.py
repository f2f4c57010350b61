"""Load malformed folders through SQL: each a clear error with an SQLSTATE of its own, the catalog unchanged, the server up.

    test/oracle/folders.py [--list]

Three sets: malformed contents (test/tools/make_bad_folders.py), odd file systems (bad_folders.py), and every prefix of the files
of test/data/tiny through the table form.  `work` names a directory that the server's user can read.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import sql
from bad_folders import CASES, make

# A load that takes longer than this hangs; the SQLSTATE is then that of a cancel.
TIMEOUT = "10s"

PREPARE = f"""
SET client_min_messages = warning;
SET statement_timeout = '{TIMEOUT}';
CREATE EXTENSION IF NOT EXISTS lepton;
SELECT lepton_drop_model(name::text) FROM lepton_models WHERE name = 'keeper';
SELECT name FROM lepton_load_model('keeper', '%s');
CREATE OR REPLACE FUNCTION try_load(path text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE message text; detail text; hint text;
BEGIN
	PERFORM lepton_load_model('bad', path);
	PERFORM cardinality(lepton_tokenize('some text', 'bad'));
	PERFORM lepton_drop_model('bad');
	RETURN 'loaded';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', SQLSTATE, message, nullif(detail, ''), nullif(hint, ''));
END $$;
CREATE OR REPLACE FUNCTION state() RETURNS text LANGUAGE sql AS $$
	SELECT (SELECT string_agg(name || hash::text, ',' ORDER BY name) FROM _lepton.lepton_model)
		|| (SELECT count(*) || ' ' || sum(octet_length(data)) FROM _lepton.lepton_model_chunk) $$;
"""

PREFIXES = """
SET client_min_messages = warning;
CREATE TEMP TABLE whole AS SELECT path, 0 AS part, data FROM _lepton.lepton_model_chunk c
	JOIN _lepton.lepton_model m ON m.id = c.model WHERE m.name = 'keeper';
CREATE TEMP TABLE files AS SELECT * FROM whole;
CREATE FUNCTION pg_temp.prefix(p text, n int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE files f SET data = CASE WHEN f.path = p THEN substring(w.data FOR n) ELSE w.data END FROM whole w WHERE w.path = f.path;
	PERFORM lepton_load_model('bad', 'files'::regclass);
	PERFORM lepton_drop_model('bad');
	RETURN 'loaded';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
-- Every length of a short file, each 97th and the last 40 of a long one.
SELECT path, length, result FROM (
	SELECT path, n AS length, octet_length(data) AS whole, pg_temp.prefix(path, n) AS result
	FROM whole, generate_series(0, octet_length(data) - 1) n
	WHERE octet_length(data) < 2000 OR n % 97 = 0 OR n > octet_length(data) - 40) x
WHERE result ~ '^(XX|57014|58000)' OR (result = 'loaded' AND length < whole - 1);
SELECT 'prefixes ' || sum(CASE WHEN octet_length(data) < 2000 THEN octet_length(data) ELSE octet_length(data) / 97 + 40 END) FROM whole;
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="print each folder's answer")
    args = parser.parse_args()
    work = Path(os.environ["work"]) / "folders"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    checks = sql.Checks()
    sql.run(PREPARE % (sql.ROOT / "test/data/tiny" if "src" not in os.environ else Path(os.environ["src"]) / "test/data/tiny"))
    before = sql.run("SELECT state()")
    messages = set()
    n = 0

    def load(name, path, may_load, must_load, word=""):
        """Load one folder in a session of its own and check what it says and what it leaves."""
        nonlocal n
        n += 1
        answer = sql.run(f"SET statement_timeout = '{TIMEOUT}'; SELECT try_load({quote(str(path))}); SELECT state()").strip()
        result, after = answer.rsplit("\n", 1)
        if args.list:
            print(f"{name:45} {result}")
        if result == "loaded":
            checks.check(may_load, f"{name}: it was loaded")
        else:
            messages.add(result)
            checks.check(not must_load and not result.startswith(("XX", "57", "58000")) and word in result, f"{name}: {result}")
        checks.check(after + "\n" == before, f"{name}: the catalog changed from {before} to {after}")

    contents = work / "contents"
    subprocess.run([sys.executable, sql.ROOT / "test/tools/make_bad_folders.py", contents], check=True, stdout=subprocess.DEVNULL)
    for line in (contents / "manifest.tsv").read_text().splitlines():
        name, expected, word = line.split("\t")
        load(name, contents / name, expected == "ok", expected == "ok", word)
    for case in CASES:
        path = work / case.name.replace(" ", "_").replace("/", "_")
        make(case, path)
        # A case may have a path of its own.
        load(case.name, path if case.path is None else case.path, case.may_load, case.must_load)
        remove(path)
    print(f"{n} folders, {len(messages)} different errors")
    checks.check(n >= 150, f"only {n} folders")

    answer = sql.run(PREFIXES).strip().split("\n")
    print(answer[-1])
    for line in answer[:-1]:
        checks.check(False, f"prefix: {line}")
    checks.check(sql.run("SELECT state()") == before, "prefixes: the catalog changed")
    checks.check(sql.run("SELECT lepton_verify('keeper')").strip() == "t", "the keeper is damaged")
    sql.run("SELECT lepton_drop_model('keeper'); DROP FUNCTION try_load, state")
    return checks.close()


def remove(path):
    """Remove what a case has made, whatever it is."""
    if path.is_symlink() or path.exists() and not path.is_dir():
        path.unlink()
    elif path.is_dir():
        path.chmod(0o755)
        shutil.rmtree(path)


def quote(text):
    """A string literal."""
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    sys.exit(main())
