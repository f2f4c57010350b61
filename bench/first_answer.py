#!/usr/bin/env python3
"""A backend's first answer, with the image present: time beyond a trivial query, and private memory.

New connections in turn ask, as their first query, either a trivial one or an embedding.  Then many
backends answer once, stay, and their memory is read from /proc (root, or the server's own user).
"""
import collections
import pathlib
import sys
import time

import common

TEXT = "Re: your order has been shipped"
TRIVIAL = "SELECT length(%s), %s::text"
EMBED = "SELECT lepton_embed(%s, %s)"


def main():
    parser = common.options(__doc__, "dsn", "name", "folder", "core", "json")
    parser.add_argument("--connections", type=int, default=40, help="new connections of each kind")
    parser.add_argument("--backends", type=int, default=50, help="backends whose memory is read")
    args = parser.parse_args()
    common.pin("self", args.core)
    with common.connect(args.dsn) as conn:
        common.have_model(conn, args.name, args.folder)
        conn.execute(EMBED, (TEXT, args.name))
    figures = {"time_ms": times(args), "memory_kb": memory(args)}
    common.save(args.json, figures)


def ask(conn, query, name, pid):
    """Return the milliseconds a query takes, elapsed and on the CPU in the backend."""
    cpu, start = common.cpu_seconds(pid), time.perf_counter()
    conn.execute(query, (TEXT, name), prepare=False).fetchone()
    return 1e3 * (time.perf_counter() - start), 1e3 * (common.cpu_seconds(pid) - cpu)


def times(args):
    """Time the first and second query of new connections of both kinds, taking turns."""
    taken = collections.defaultdict(list)
    for _ in range(args.connections):
        for kind, query in (("trivial", TRIVIAL), ("embed", EMBED)):
            with common.connect(args.dsn) as conn:
                pid = common.backend_pid(conn)
                common.pin(pid, args.core)
                taken[kind + ", first"].append(ask(conn, query, args.name, pid))
                taken[kind + ", second"].append(ask(conn, query, args.name, pid))
    middle = {kind: [common.median(column) for column in zip(*both)] for kind, both in taken.items()}
    print(f"{args.connections} new connections of each kind, {common.machine(args.core)}\n")
    common.table(["query", "p50 ms", "max ms", "backend's CPU, p50 ms"],
                 [[kind, f"{middle[kind][0]:.2f}", f"{max(both)[0]:.2f}", f"{middle[kind][1]:.2f}"]
                  for kind, both in taken.items()])
    beyond, cpu = (f - t for f, t in zip(middle["embed, first"], middle["trivial, first"]))
    print(f"first answer beyond a trivial query: {beyond:.2f} ms (bar 10), {cpu:.2f} ms of CPU, of which "
          f"{middle['embed, second'][0]:.2f} ms every answer takes\n")
    return {**middle, "beyond": beyond, "beyond on the CPU": cpu}


def memory(args):
    """Print the memory of backends that have answered, once a trivial query and once an embedding; return it."""
    found = {kind: backends(args.dsn, args.name, query, args.backends)
             for kind, query in (("trivial", TRIVIAL), ("embed", EMBED))}
    common.table([f"{args.backends} backends that answered", "kind", "mean kB", "max kB"],
                 [[kind, key, f"{one[key]['mean']:,.0f}", f"{one[key]['max']:,.0f}"]
                  for kind, one in found.items() for key in ("Pss", "Private")])
    image = found["embed"]["image"]
    print(f"Pss of a backend: {found['embed']['Pss']['mean'] / 1024:.2f} MB (bar 8)")
    if image["Size"]:
        print(f"image: {image['Size'] / 1024:.1f} MB mapped by each backend, {image['Pss'] / 1024:.1f} MB in memory for "
              f"all of them, {image['Private'] / 1024:.1f} MB of it private (bar: once)")
    else:
        print("image: no backend maps one")
    return found


def backends(dsn, name, query, n):
    """Let n new backends answer a query and return their memory in kB, and that of the images they map together."""
    conns = [common.connect(dsn) for _ in range(n)]
    for conn in conns:
        conn.execute(query, (TEXT, name), prepare=False)
    pids = [common.backend_pid(conn) for conn in conns]
    each, images = [rollup(pid) for pid in pids], [image(pid) for pid in pids]
    for conn in conns:
        conn.close()
    found = {key: {"mean": sum(one[key] for one in each) / n, "max": max(one[key] for one in each)}
             for key in ("Pss", "Private")}
    found["image"] = {"Size": max(one["Size"] for one in images),
                      **{key: sum(one[key] for one in images) for key in ("Pss", "Private")}}
    return found


def proc(pid, file):
    """Read a file of /proc/PID, or leave with a message."""
    try:
        return pathlib.Path(f"/proc/{pid}/{file}").read_text()
    except PermissionError:
        sys.exit(f"/proc/{pid}/{file} cannot be read: run as root or as the server's user")


def count(lines):
    """Sum lines 'Key: n kB' by key, with Private = Private_Clean + Private_Dirty."""
    sums = collections.Counter()
    for line in lines:
        key, _, value = line.partition(":")
        if value.endswith("kB"):
            sums[key] += int(value.split()[0])
    sums["Private"] = sums["Private_Clean"] + sums["Private_Dirty"]
    return sums


def rollup(pid):
    """Return the kB of a process by kind."""
    return count(proc(pid, "smaps_rollup").splitlines()[1:])


def image(pid):
    """Return the kB of a process's mappings of images by kind."""
    inside, lines = False, []
    for line in proc(pid, "smaps").splitlines():
        if "-" in line.partition(" ")[0]:
            inside = "pgsql_tmp_lepton" in line
        elif inside:
            lines.append(line)
    return count(lines)


if __name__ == "__main__":
    main()
