"""The engines side by side: each turns the same batches of texts into vectors, alone in a pinned child process.

As a program it is that child: one JSON request a line on standard input, one JSON answer a line on
standard output.  Client (for the parent) and engines (in the child) live here; ratios do not.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import warnings

import artefacts
import common


# ---------------------------------------------------------------- parent's side

class Client:
    """A child process that runs one engine."""

    def __init__(self, kind, core, setup):
        self.kind = kind
        env = {**os.environ, **common.QUIET, **common.ONE_THREAD}
        self.child = subprocess.Popen(
            ["taskset", "-c", str(core), sys.executable, __file__, kind, json.dumps({**setup, "core": core})],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        self.title = self.ask({"do": "load"})["title"]

    def ask(self, request):
        """Send a request, wait for the answer."""
        self.child.stdin.write(json.dumps(request) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        if not line:
            sys.exit(f"{self.kind} ended early with status {self.child.wait()}")
        return json.loads(line)

    def vectors(self, workload, batches, path):
        """Return the vectors of a workload's batches, float32 [n, d]; they pass through the file at path."""
        import numpy
        self.ask({"do": "vectors", "workload": workload, "batches": batches, "path": path})
        return numpy.load(path)

    def close(self):
        """End the child."""
        self.child.stdin.close()
        self.child.wait()


def prepare(folder, kinds, rows, work):
    """Build what the engines open and write down the texts; return what every client is told."""
    needed = {ENGINES[kind][1] for kind in kinds} - {None}
    paths = artefacts.build(folder, sorted(needed), common.sample(rows))
    texts = artefacts.home(folder) / "workloads.json"
    texts.parent.mkdir(parents=True, exist_ok=True)
    texts.write_text(json.dumps(work))
    return {"folder": str(folder), "artefacts": paths, "workloads": str(texts), **artefacts.facts(folder)}


# ---------------------------------------------------------------- engines (in the child)

class Engine:
    """load() once, use() a workload, then run() its batches; measure() is a run with a clock."""

    def measure(self, batches):
        """Return elapsed and CPU seconds of a run."""
        cpu, wall = self.cpu(), time.perf_counter()
        self.run(batches)
        return time.perf_counter() - wall, self.cpu() - cpu

    def each(self, texts):
        """Turn texts into vectors one by one; return the elapsed and the CPU seconds of each."""
        return [self.measure([[text]]) for text in texts]

    def cpu(self):
        """Return CPU seconds used so far."""
        return time.process_time()


class Peer(Engine):
    """Tokenise with `tokenizers`, pad, run, pool, normalise: what a Python program does with a runtime."""

    def load(self, setup):
        import numpy
        self.np, self.setup, self.tokenizers = numpy, setup, {}
        self.open(setup["artefacts"])

    def use(self, workload):
        """Get ready for a workload, outside of any timing."""
        n = workload["max_tokens"]
        if n not in self.tokenizers:
            self.tokenizers[n] = common.tokenizer(self.setup["folder"], n)
        self.tokenizer = self.tokenizers[n]

    def run(self, batches):
        """Turn batches of texts into vectors, a list of [len(batch), d]: tokenise all, then batch after batch."""
        ids = iter([e.ids for e in self.tokenizer.encode_batch([t for batch in batches for t in batch])])
        return [self.encode([next(ids) for _ in batch]) for batch in batches]

    def encode(self, ids):
        """Run a batch: [n, d] from n lists of ids."""
        np = self.np
        padded = np.zeros((len(ids), max(map(len, ids))), dtype=np.int64)
        mask = np.zeros_like(padded)
        for i, row in enumerate(ids):
            padded[i, :len(row)] = row
            mask[i, :len(row)] = 1
        hidden = self.hidden({"input_ids": padded, "attention_mask": mask, "token_type_ids": np.zeros_like(padded)})
        return self.pool(hidden, mask)

    def pool(self, hidden, mask):
        """Take the mean of the real tokens' states, [n, d] of [n, tokens, d], and normalise it where the model does."""
        np = self.np
        total = np.matmul(mask[:, None, :].astype(np.float32), hidden)[:, 0]
        if not self.setup["normalize"]:
            return total / mask.sum(1, keepdims=True, dtype=np.float32)
        return total / np.linalg.norm(total, axis=1, keepdims=True)


class OnnxRuntime(Peer):
    """ONNX Runtime: its BERT-fused graph, the plain export that it optimises at load, or the fused graph in int8."""

    def __init__(self, artefact, what):
        self.artefact, self.what = artefact, what

    def open(self, paths):
        import onnxruntime
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(paths[self.artefact], settings,
                                                    providers=["CPUExecutionProvider"])
        self.title = f"ONNX Runtime {onnxruntime.__version__} {self.what}"

    def hidden(self, inputs):
        return self.session.run(None, inputs)[0]


class OpenVino(Peer):
    """OpenVINO in a precision that it is told (its default on CPUs with bf16 instructions is bf16)."""

    def __init__(self, artefact, precision, what):
        self.artefact, self.precision, self.what = artefact, precision, what

    def open(self, paths):
        import openvino
        model = openvino.Core().compile_model(paths[self.artefact], "CPU", {
            "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": self.precision})
        self.request = model.create_infer_request()
        self.title = f"OpenVINO {openvino.__version__.partition('-')[0]} {self.what}"

    def hidden(self, inputs):
        self.request.infer(inputs, share_inputs=True)
        return self.request.get_output_tensor(0).data


class CTranslate2(Peer):
    """CTranslate2, which takes lists of ids and drops the padding inside for its dense layers."""

    def __init__(self, compute):
        self.compute = compute

    def open(self, paths):
        import ctranslate2
        self.encoder = ctranslate2.Encoder(paths["ctranslate2"], device="cpu", compute_type=self.compute,
                                           inter_threads=1, intra_threads=1)
        self.title = f"CTranslate2 {ctranslate2.__version__} {self.compute}"

    def encode(self, ids):
        np = self.np
        hidden = np.array(self.encoder.forward_batch(ids).last_hidden_state)
        lengths = np.array([len(row) for row in ids])
        return self.pool(hidden, np.arange(hidden.shape[1])[None] < lengths[:, None])


class LlamaCpp(Peer):
    """llama.cpp's own batches of packed sequences, given ids of `tokenizers`: its own tokeniser is not timed."""

    ROOM, SEQUENCES = 256, 64

    def __init__(self, artefact, what):
        self.artefact, self.what = artefact, what

    def open(self, paths):
        import llama_cpp
        self.api = llama_cpp
        self.model = llama_cpp.Llama(paths[self.artefact], embedding=True, n_ctx=self.ROOM, n_batch=self.ROOM,
                                     n_ubatch=self.ROOM, n_threads=1, n_threads_batch=1, flash_attn=True,
                                     verbose=False)
        self.title = f"llama.cpp ({llama_cpp.__version__}) {self.what}"

    def encode(self, ids):
        np = self.np
        batch, context, vectors = self.model._batch, self.model._ctx, []
        waiting, tokens = 0, 0

        def flush():
            context.kv_cache_clear()
            context.decode(batch)
            batch.reset()
            for i in range(waiting):
                row = self.api.llama_get_embeddings_seq(context.ctx, i)
                vectors.append(np.ctypeslib.as_array(row, (self.setup["hidden"],)).copy())

        batch.reset()
        for row in ids:
            if waiting and (tokens + len(row) > self.ROOM or waiting == self.SEQUENCES):
                flush()
                waiting = tokens = 0
            batch.add_sequence(row, waiting, True)
            waiting, tokens = waiting + 1, tokens + len(row)
        flush()
        vectors = np.array(vectors)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if self.setup["normalize"] else vectors


class PyTorch(Peer):
    """PyTorch, eager: bf16 weights, or the linear layers in int8 with activations quantised as they come."""

    def __init__(self, what):
        self.what = what

    def open(self, paths):
        import torch
        from transformers import BertModel
        torch.set_num_threads(1)
        self.torch = torch
        dtype = torch.bfloat16 if self.what == "bf16" else torch.float32
        self.model = BertModel.from_pretrained(self.setup["folder"], add_pooling_layer=False, dtype=dtype).eval()
        if self.what == "int8":
            torch.backends.quantized.engine = "x86"
            self.model = torch.ao.quantization.quantize_dynamic(self.model, {torch.nn.Linear}, dtype=torch.qint8)
        self.title = f"PyTorch {torch.__version__.partition('+')[0]} {self.what}"

    def hidden(self, inputs):
        with self.torch.inference_mode():
            ready = {name: self.torch.from_numpy(value) for name, value in inputs.items()}
            return self.model(**ready).last_hidden_state.float().numpy()


class SentenceTransformers(Engine):
    """sentence-transformers' own encode() on PyTorch, f32: the judge of every vector, optionally timed."""

    def load(self, setup):
        import torch
        import sentence_transformers
        torch.set_num_threads(1)
        self.model = sentence_transformers.SentenceTransformer(
            setup["folder"], device="cpu", model_kwargs={"dtype": torch.float32})
        self.title = f"sentence-transformers {sentence_transformers.__version__} f32"

    def use(self, workload):
        self.model.max_seq_length = workload["max_tokens"]

    def run(self, batches):
        return [self.model.encode(batch, batch_size=len(batch), show_progress_bar=False) for batch in batches]


class Lepton(Engine):
    """lepton from SQL: an array call a batch, text in and vectors out; client and backend on the same core."""

    def load(self, setup):
        self.conn, self.models = common.connect(setup["dsn"]), setup["models"]
        self.pid = common.backend_pid(self.conn)
        common.pin(self.pid, setup["core"])
        version = self.conn.execute("SELECT extversion FROM pg_extension WHERE extname = 'lepton'").fetchone()
        self.title = f"lepton {version[0] if version else '?'} {setup['precision']} from SQL"

    def use(self, workload):
        self.model = self.models[str(workload["max_tokens"])]

    def run(self, batches):
        return [common.embed(self.conn, self.model, batch, len(batch)) for batch in batches]

    def each(self, texts):
        """One SQL call a text, the function of one text instead of an array."""
        taken = []
        with self.conn.cursor(binary=True) as cursor:
            for text in texts:
                cpu, wall = self.cpu(), time.perf_counter()
                cursor.execute("SELECT lepton_embed(%s::text, %s)", (text, self.model))
                common.real_array(cursor.pgresult.get_value(0, 0))
                taken.append((time.perf_counter() - wall, self.cpu() - cpu))
        return taken

    def cpu(self):
        return time.process_time() + common.cpu_seconds(self.pid)


class Driver(Engine):
    """lepton's engine without a server: the program test/tools/run_model, which makes its own batches."""

    def load(self, setup):
        self.command = [setup["driver"], "--null", setup["folder"]]
        self.title = "lepton's engine alone"

    def use(self, workload):
        self.cut = ["--max-tokens", str(workload["max_tokens"])]

    def ask(self, batches, *more):
        texts = "\0".join(t for batch in batches for t in batch) + "\0"
        return subprocess.run([*self.command, *self.cut, *more], input=texts, capture_output=True, text=True,
                              check=True)

    def run(self, batches):
        import numpy
        return [numpy.array([line.split() for line in self.ask(batches).stdout.splitlines()], numpy.float32)]

    def measure(self, batches):
        """Add the program's own times of tokenising and of running; opening the model is left out."""
        done = self.ask(batches, "--bench", "0.01")
        tokens, speed = re.search(r"(\d+) tokens, \d+ runs: median (\d+)", done.stdout).groups()
        wall = int(tokens) / int(speed) + float(re.search(r"tokenized in ([\d.]+) ms", done.stderr)[1]) / 1e3
        return wall, wall


# Each engine, and the artefact that it opens.
ENGINES = {
    "ort": (lambda: OnnxRuntime("onnx-fused", "f32 (fused)"), "onnx-fused"),
    "ort-plain": (lambda: OnnxRuntime("onnx", "f32 (plain)"), "onnx"),
    "openvino": (lambda: OpenVino("onnx", "f32", "f32"), "onnx"),
    "ort-int8": (lambda: OnnxRuntime("onnx-int8", "int8"), "onnx-int8"),
    "openvino-int8": (lambda: OpenVino("openvino-int8", "f32", "int8"), "openvino-int8"),
    "openvino-int8-bf16": (lambda: OpenVino("openvino-int8", "bf16", "int8, rest bf16"), "openvino-int8"),
    "ctranslate2-int8": (lambda: CTranslate2("int8"), "ctranslate2"),
    "llama-q8": (lambda: LlamaCpp("gguf-q8", "Q8_0"), "gguf-q8"),
    "torch-int8": (lambda: PyTorch("int8"), None),
    "openvino-bf16": (lambda: OpenVino("onnx", "bf16", "bf16"), "onnx"),
    "torch-bf16": (lambda: PyTorch("bf16"), None),
    "sentence-transformers": (SentenceTransformers, None),
    "lepton": (Lepton, None),
    "driver": (Driver, None),
}
PEERS = [kind for kind in ENGINES if kind not in ("lepton", "driver")]


# ---------------------------------------------------------------- child's loop

def serve(engine, setup, answer):
    """Answer requests until standard input ends."""
    import numpy
    work = json.loads(pathlib.Path(setup["workloads"]).read_text())
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "load":
            engine.load(setup)
            answer({"title": engine.title})
            continue
        workload = work[request["workload"]]
        texts = workload["texts"]
        engine.use(workload)
        batches = [[texts[i] for i in batch] for batch in request["batches"]]
        if request["do"] == "each":
            answer({"each": engine.each([text for batch in batches for text in batch])})
        elif request["do"] == "vectors":
            numpy.save(request["path"], numpy.concatenate(engine.run(batches)))
            answer({})
        else:
            wall, cpu = engine.measure(batches)
            answer({"wall": wall, "cpu": cpu})


def main():
    """Be the child: keep standard output for answers, send whatever a library prints to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")

    def answer(value):
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    serve(ENGINES[sys.argv[1]][0](), json.loads(sys.argv[2]), answer)


if __name__ == "__main__":
    main()
