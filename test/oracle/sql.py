"""What the comparisons share: talk to a server through psql, read e-mails, count checks."""

import csv
import io
import json
import lzma
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PSQL = [os.environ.get("PSQL", "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
csv.field_size_limit(1 << 30)


class Checks:
    """Counts checks; close() prints the closing line and gives the exit status."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, ok, message):
        if ok:
            self.passed += 1
        else:
            self.failed += 1
            if self.failed <= 30:
                print("FAILED:", message)
        return ok

    def close(self):
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0


def run(sql):
    """Run statements; their output as text."""
    done = subprocess.run(PSQL + ["-f", "-"], input=sql, text=True, capture_output=True, encoding="utf-8")
    if done.returncode:
        sys.exit(f"psql: {done.stderr.strip()[:2000]}")
    return done.stdout


def rows(query, before=""):
    """Stream the rows of a query as lists of strings; `before` runs first in the same session."""
    sql = f"SET client_encoding = utf8; {before}; COPY ({query}) TO STDOUT WITH (FORMAT csv)"
    proc = subprocess.Popen(PSQL + ["-c", sql], stdout=subprocess.PIPE)
    yield from csv.reader(io.TextIOWrapper(proc.stdout, encoding="utf-8", newline=""))
    if proc.wait():
        sys.exit("psql failed")


def fill(table, texts):
    """Make table (n int, t text) hold the texts, numbered from 0."""
    data = io.StringIO(newline="")
    csv.writer(data, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(enumerate(texts))
    sql = (f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (n int PRIMARY KEY, t text NOT NULL);\n"
           f"COPY {table} FROM STDIN WITH (FORMAT csv);\n")
    run("SET client_min_messages = warning; SET client_encoding = utf8;\n" + sql + data.getvalue() + "\\.\n")


def array(text):
    """An array literal of numbers as a list of strings."""
    return text[1:-1].split(",") if len(text) > 2 else []


def emails():
    """All e-mails there are: the large set where it lies beside the clone, else the ones of the repository.

    Returns a list of (text, label) and the name of the set.
    """
    large = Path(os.environ.get("LEPTON_EMAILS", ROOT.parent / "shared/data/spamassassin.jsonl.xz"))
    if large.exists():
        with lzma.open(large, "rt", encoding="utf-8") as f:
            lines = [json.loads(line) for line in f]
        return [(line["text"], line["label"]) for line in lines], large.name
    return own_emails(), "emails.csv"


def own_emails():
    """The e-mails of the repository as (text, label)."""
    with open(ROOT / "examples/data/emails.csv", newline="", encoding="utf-8") as f:
        return [(line["subject"] + "\n" + line["body"], line["label"]) for line in csv.DictReader(f)]


def load_model(name, folder):
    """Load a folder under a name, replacing the model that has it."""
    folder = Path(folder).resolve()
    run(f"""CREATE EXTENSION IF NOT EXISTS lepton;
        SELECT lepton_drop_model('{name}') FROM lepton_models WHERE name = '{name}';
        SELECT name FROM lepton_load_model('{name}', '{folder}');""")
