"""What the measurements share: options, e-mails, workloads, connections, cores, tables.

Knows nothing of any engine (engines.py does) and prints no result.
"""
import argparse
import csv
import hashlib
import json
import lzma
import os
import pathlib
import struct
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
CACHE = HERE.parent / "build" / "bench"
EMAILS = HERE.parent / "examples" / "data" / "emails.csv"

ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                                     "RAYON_NUM_THREADS")}
QUIET = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error",
         "OPENVINO_TELEMETRY": "0"}

SAMPLE_TEXTS = 300  # the last e-mails: peers are calibrated with them
OWN_ROWS = 1200  # the last e-mails: lepton_quantize measures on parts of them

# Tokens a text is cut at, texts a batch, texts at most; see workloads().
WORKLOADS = {
    "short": {"max_tokens": 256, "batch": 64, "texts": 2000},
    "mixed": {"max_tokens": 256, "batch": 32, "texts": 500},
    "fixed128": {"max_tokens": 128, "batch": 32, "texts": 512},
}


# ---------------------------------------------------------------- options

def options(doc, *groups):
    """Return a parser with the options that several measurements know, chosen by name."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = {
        "dsn": dict(default="", help="libpq connection string (default: PGHOST, PGPORT, PGUSER ...)"),
        "name": dict(default="minilm", help="name of the loaded model (default: minilm)"),
        "folder": dict(default=os.environ.get("LEPTON_MINILM"), required="LEPTON_MINILM" not in os.environ,
                       help="Hugging Face folder of the same model (default: $LEPTON_MINILM)"),
        "emails": dict(default=os.environ.get("LEPTON_EMAILS"),
                       help="JSON lines with id, label, text, .xz or not, or a CSV file (default: "
                            "$LEPTON_EMAILS, else the e-mails of examples/data)"),
        "core": dict(type=int, default=max(os.sched_getaffinity(0)), help="the one core everything is pinned to"),
        "json": dict(help="also write every figure to this file"),
    }
    for group in groups:
        parser.add_argument("--" + group, **known[group])
    return parser


def emails(path=None):
    """Read e-mails, a list of {id, label, text}; a text is the subject, a newline and the body."""
    path = pathlib.Path(path or EMAILS)
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8", newline="") as lines:
        if ".csv" not in path.suffixes:
            return [json.loads(line) for line in lines]
        return [{"id": int(row["id"]), "label": row["label"], "text": row["subject"] + "\n" + row["body"]}
                for row in csv.DictReader(lines)]


# ---------------------------------------------------------------- workloads

def digest(*paths):
    """Return 12 hex digits that change with the bytes of the files."""
    total = hashlib.sha256()
    for path in paths:
        total.update(pathlib.Path(path).read_bytes())
    return total.hexdigest()[:12]


def digest_texts(texts):
    """Return 12 hex digits that change with the texts."""
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()[:12]


def sample(rows):
    """Return the texts that models are calibrated with, the last e-mails; workloads take the first."""
    return [row["text"] for row in rows[-SAMPLE_TEXTS:]]


def own_rows(rows):
    """Return the texts that lepton_quantize measures on: subjects and beginnings of bodies of the last e-mails."""
    taken = set(row["text"].split("\n", 1)[0].strip() for row in rows[:-OWN_ROWS])
    texts = []
    for row in rows[-OWN_ROWS:]:
        subject, _, body = row["text"].partition("\n")
        texts += [subject.strip()] * (subject.strip() not in taken) + [" ".join(body.split())[:400]]
    return [text for text in texts if text]


def tokenizer(folder, max_tokens):
    """Open the tokenizer of a folder, cutting at max_tokens, padding nothing."""
    from tokenizers import Tokenizer
    tok = Tokenizer.from_file(str(pathlib.Path(folder) / "tokenizer.json"))
    tok.no_padding()
    tok.enable_truncation(max_tokens)
    return tok


def workloads(folder, rows):
    """Make the three workloads from e-mails in file order.

    short     the first 2,000 distinct non-empty subjects (first lines), batch 64
    mixed     the first 500 non-empty bodies (all other lines) cut at 256 tokens, batch 32
    fixed128  the first 512 bodies of at least 128 tokens cut at 128, batch 32: nothing to pad

    Each gets its texts, their lengths in tokens, and batches of indices, longest text first.
    """
    texts = [row["text"] for row in rows]
    subjects = list(dict.fromkeys(s for s in (t.split("\n", 1)[0].strip() for t in texts) if s))
    bodies = [b for b in (t.partition("\n")[2].strip() for t in texts) if b]
    long = tokenizer(folder, 128)
    chosen = {"short": subjects, "mixed": bodies,
              "fixed128": (b for b in bodies if len(long.encode(b).ids) == 128)}
    made = {}
    for name, spec in WORKLOADS.items():
        some = [t for _, t in zip(range(spec["texts"]), chosen[name])]
        lengths = [len(e.ids) for e in tokenizer(folder, spec["max_tokens"]).encode_batch(some)]
        order = sorted(range(len(some)), key=lambda i: -lengths[i])
        made[name] = {**spec, "texts": some, "lengths": lengths,
                      "batches": [order[i:i + spec["batch"]] for i in range(0, len(order), spec["batch"])]}
    return made


def operations(shape):
    """Return a function from a text's tokens to the multiplications and additions of the encoder's linears and attention."""
    linears = 2 * (4 * shape["hidden"] ** 2 + 2 * shape["hidden"] * shape["inner"])
    return lambda n: shape["layers"] * n * (linears + 4 * shape["hidden"] * n)


def cosines(a, b):
    """Return the cosine of every row of a with the same row of b: float64 [n]."""
    import numpy as np
    a, b = (np.asarray(x, np.float64) for x in (a, b))
    return (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))


# ---------------------------------------------------------------- server

def connect(dsn):
    """Open an autocommit connection."""
    import psycopg
    return psycopg.connect(dsn, autocommit=True)


def backend_pid(conn):
    """Return the process id of a connection's backend, which must run on this machine."""
    pid = conn.info.backend_pid
    try:
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        command = b""
    if b"postgres" not in command:
        sys.exit("the server does not run on this machine: its backends cannot be pinned or looked into")
    return pid


def pin(pid, core):
    """Pin every thread of a process to one core."""
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), {core})


def cpu_seconds(pid):
    """Return the CPU time that the main thread of a process has used so far."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) * 1e-9


def real_array(raw):
    """Decode a binary real[] of one or two dimensions: float32 [n, d] or [d]."""
    import numpy as np
    n_dims, has_null, _ = struct.unpack_from(">iiI", raw)
    if n_dims not in (1, 2) or has_null:
        raise ValueError(f"expected a real[] without nulls, of one or two dimensions; found {n_dims}")
    shape = [struct.unpack_from(">i", raw, 12 + 8 * i)[0] for i in range(n_dims)]
    items = np.frombuffer(raw, dtype=[("size", ">i4"), ("value", ">f4")], offset=12 + 8 * n_dims)
    return items["value"].astype(np.float32).reshape(shape)


def embed(conn, model, texts, batch=64):
    """Embed texts through SQL, array calls of batch texts: float32 [n, d]."""
    import numpy as np
    with conn.cursor(binary=True) as cursor:
        parts = []
        for i in range(0, len(texts), batch):
            cursor.execute("SELECT lepton_embed(%s::text[], %s)", (texts[i:i + batch], model))
            parts.append(real_array(cursor.pgresult.get_value(0, 0)))
    return np.concatenate(parts)


def have_model(conn, name, folder):
    """Load a folder under a name unless a model has that name; return whether it was loaded."""
    conn.execute("CREATE EXTENSION IF NOT EXISTS lepton")
    if conn.execute("SELECT 1 FROM lepton_models WHERE name = %s", (name,)).fetchone():
        return False
    conn.execute("SELECT lepton_load_model(%s, %s)", (name, str(pathlib.Path(folder).resolve())))
    return True


def have_compressed(conn, parent, name, precision, rows, anew=False):
    """Compress a model under a name unless one has that name; return the seconds or None.

    precision may end in a colon and the least mean cosine: auto:0.9997.
    """
    precision, _, cosine = precision.partition(":")
    there = conn.execute("SELECT 1 FROM lepton_models WHERE name = %s", (name,)).fetchone()
    if there and not anew:
        return None
    if there:
        conn.execute("SELECT lepton_drop_model(%s)", (name,))
    conn.execute("CREATE TEMP TABLE IF NOT EXISTS bench_sample (n int, text text)")
    conn.execute("TRUNCATE bench_sample")
    with conn.cursor() as cursor, cursor.copy("COPY bench_sample FROM STDIN") as copy:
        for row in enumerate(own_rows(rows)):
            copy.write_row(row)
    start = time.perf_counter()
    conn.execute("SELECT count(*) FROM lepton_quantize(%s, %s, %s, %s, coalesce(%s::real, 0.999))",
                 (parent, name, precision, "SELECT text FROM bench_sample ORDER BY n", cosine or None)).fetchone()
    return time.perf_counter() - start


# ---------------------------------------------------------------- results

def median(values):
    """Return the middle value, the mean of the middle two of an even number."""
    values = sorted(values)
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def table(head, rows):
    """Print a markdown table."""
    cells = [[str(c) for c in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for n, row in enumerate(cells):
        print("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths)) + " |")
        if n == 0:
            print("|" + "|".join("-" * (w + 2) for w in widths) + "|")
    print(flush=True)


def machine(core=None):
    """Return one line about the CPU."""
    model = next((line.partition(":")[2].strip() for line in open("/proc/cpuinfo")
                  if line.startswith("model name")), "unknown CPU")
    where = "" if core is None else f", core {core} of {os.cpu_count()}"
    return f"{model}{where}, load {os.getloadavg()[0]:.2f}"


def save(path, figures):
    """Write figures as JSON where a path was given."""
    if path:
        pathlib.Path(path).write_text(json.dumps(figures, indent=1) + "\n")
