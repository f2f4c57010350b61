"""What a file system can do to a model folder: fifos, links, devices, missing rights, missing files.

    from bad_folders import CASES, make
    make(case, path)        # writes a copy of a small valid folder with one change

Malformed contents are test/tools/make_bad_folders.py's.
"""

import os
import shutil
import socket
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "data"
CASES = []


class Case:
    """One folder: its name, what it starts from, what is done to it, and whether it may or must load."""

    def __init__(self, name, change, base="tiny", may_load=False, must_load=False, path=None):
        self.name, self.change, self.base = name, change, base
        self.may_load, self.must_load, self.path = may_load or must_load, must_load, path


def make(case, path):
    """Write the folder of a case."""
    shutil.copytree(DATA / case.base, path)
    for p in (path, *path.rglob("*")):
        p.chmod(0o755 if p.is_dir() else 0o644)
    if case.change:
        case.change(path)


def add(name, change, **more):
    CASES.append(Case(name, change, **more))


# ---------------------------------------------------------------- changes

def text(file, content):
    """Replace a file by bytes."""
    def change(d):
        (d / file).write_bytes(content)
    return change


def replace(file, function):
    """Remove a file and let a function make something else in its place."""
    def change(d):
        (d / file).unlink()
        function(d / file)
    return change


def gone(*files):
    def change(d):
        for f in files:
            (d / f).unlink()
    return change


def make_socket(path):
    """A socket file; paths of sockets are short, so it is made elsewhere and moved."""
    s = socket.socket(socket.AF_UNIX)
    short = f"/tmp/lepton_socket_{os.getpid()}"
    s.bind(short)
    s.close()
    shutil.move(short, path)


# ---------------------------------------------------------------- file system

for name, path in (("no such folder", "/nonexistent/x"), ("empty path", ""), ("relative path", "test/data/tiny"), ("a device", "/dev/null"),
                   ("endless device", "/dev/zero"), ("proc", "/proc/self"), ("root", "/"), ("very long path", "/x" * 5000),
                   ("parents", "/tmp/../../../../../nonexistent")):
    CASES.append(Case("fs: " + name, None, path=path))
REAL = ("config.json", "tokenizer.json", "model.safetensors", "modules.json", "1_Pooling/config.json")
for f in REAL:
    add(f"fs: {f} is a fifo", replace(f, os.mkfifo))
    add(f"fs: {f} is a directory", replace(f, os.mkdir), may_load=f == "modules.json")
    add(f"fs: {f} is a loop of links", replace(f, lambda p: os.symlink(p.name, p)))
    add(f"fs: {f} is a dangling link", replace(f, lambda p: os.symlink("nowhere", p)), may_load=f == "modules.json")
    add(f"fs: {f} may not be read", lambda d, f=f: (d / f).chmod(0))
    add(f"fs: {f} is empty", text(f, b""))
    add(f"fs: {f} is a link to a device", replace(f, lambda p: os.symlink("/dev/zero", p)))
for f in REAL[:3] + REAL[4:]:
    add(f"fs: {f} is missing", gone(f))
add("fs: modules.json is missing", gone("modules.json"), must_load=True)
add("fs: config.json is a socket", replace("config.json", make_socket))
add("fs: an empty folder", lambda d: (shutil.rmtree(d), d.mkdir()))
add("fs: a file", lambda d: (shutil.rmtree(d), d.write_text("x")))
add("fs: a fifo", lambda d: (shutil.rmtree(d), os.mkfifo(d)))
add("fs: a folder that may not be listed", lambda d: d.chmod(0))
add("fs: a folder that contains itself", lambda d: os.symlink(".", d / "loop"), must_load=True)
add("fs: links to real files", lambda d: [((d / f).rename(d / (f + ".real")), os.symlink(f + ".real", d / f)) for f in REAL[:3]], must_load=True)
add("fs: a fifo that no model needs", lambda d: os.mkfifo(d / "notes.txt"), may_load=True)
add("fs: many other files", lambda d: [(d / f"other{i}.json").write_text("{}") for i in range(3000)], may_load=True)
add("fs: a name with odd bytes", lambda d: open(os.fsencode(d) + b"/\xff\n\x01.json", "w").close(), may_load=True)
add("fs: deep folders", lambda d: (d / "/".join(["x"] * 200)).mkdir(parents=True), may_load=True)
