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

    def close(self):
        """End the child."""
        self.child.stdin.close()
        self.child.wait()


# ---------------------------------------------------------------- engines (in the child)

class Engine:
    """load() once, use() a workload, then run() its batches; measure() is a run with a clock."""

    def measure(self, batches):
        """Return elapsed and CPU seconds of a run."""
        cpu, wall = self.cpu(), time.perf_counter()
        self.run(batches)
        return time.perf_counter() - wall, self.cpu() - cpu

    def cpu(self):
        """Return CPU seconds used so far."""
        return time.process_time()


class Peer(Engine):
    """Tokenise with `tokenizers`, pad, run, pool, normalise: what a Python program does with a runtime."""

    def load(self, setup):
        import numpy
        self.np, self.setup, self.tokenizers = numpy, setup, {}
        self.open(pathlib.Path(setup["cache"]))

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
        total = np.matmul(mask[:, None, :].astype(np.float32), hidden)[:, 0]
        if not self.setup["normalize"]:
            return total / mask.sum(1, keepdims=True, dtype=np.float32)
        return total / np.linalg.norm(total, axis=1, keepdims=True)


class OnnxRuntime(Peer):
    """ONNX Runtime, f32; its BERT-fused graph, or the plain export that it optimises at load."""

    def __init__(self, file):
        self.file = file

    def open(self, cache):
        import onnxruntime
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(cache / self.file), settings,
                                                    providers=["CPUExecutionProvider"])
        self.title = f"ONNX Runtime {onnxruntime.__version__} f32 ({self.file})"

    def hidden(self, inputs):
        return self.session.run(None, inputs)[0]


class OpenVino(Peer):
    """OpenVINO, f32 (its default on CPUs with bf16 instructions would be bf16)."""

    def open(self, cache):
        import openvino
        model = openvino.Core().compile_model(str(cache / "raw.onnx"), "CPU", {
            "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32"})
        self.request = model.create_infer_request()
        self.title = f"OpenVINO {openvino.__version__.partition('-')[0]} f32"

    def hidden(self, inputs):
        self.request.infer(inputs, share_inputs=True)
        return self.request.get_output_tensor(0).data


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
        self.title = f"lepton {version[0] if version else '?'} from SQL"

    def use(self, workload):
        self.model = self.models[str(workload["max_tokens"])]

    def run(self, batches):
        return [common.embed(self.conn, self.model, batch, len(batch)) for batch in batches]

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


ENGINES = {
    "ort": lambda: OnnxRuntime("fused.onnx"),
    "ort-plain": lambda: OnnxRuntime("raw.onnx"),
    "openvino": OpenVino,
    "sentence-transformers": SentenceTransformers,
    "lepton": Lepton,
    "driver": Driver,
}


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
        if request["do"] == "vectors":
            numpy.save(request["path"], numpy.concatenate(engine.run(batches)))
            answer({})
        else:
            wall, cpu = engine.measure(batches)
            answer({"wall": wall, "cpu": cpu})


def main():
    """Be the child: keep standard output for answers, send whatever a library prints to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value):
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    serve(ENGINES[sys.argv[1]](), json.loads(sys.argv[2]), answer)


if __name__ == "__main__":
    main()
