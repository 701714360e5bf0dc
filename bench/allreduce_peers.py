#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our allreduce beside Open MPI's and Gloo's, in turn, in one run.

In each round every contestant measures all sizes in processes of its own, in place; its time is the median over
iterations of the slowest rank's. Ratios are taken round by round, because the speed of a shared machine drifts, and
medians over the rounds are quoted. A ratio above 1 says that ours is so many times as fast; shared memory is compared with
shared memory, and TCP with TCP. Needs libopenmpi-dev and openmpi-bin, or python3-torch; who is missing is left out.

Example: python3 bench/allreduce_peers.py build/release/src/cli/firecaffe --ranks 2 4 --rounds 9
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

from common import ROOT, median, write_result

SIZES = [4096, 65536, 1 << 20, 16 << 20, 30 << 20, 54 << 20]
WAYS = ("shared memory", "tcp")  # ours and theirs have one of these in their names; Gloo knows TCP only
PEERS = ROOT / "bench" / "peers"


def run(command, environment=None, timeout=600):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, **(environment or {})})
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stderr}")
    return done.stdout


def ours(a, folder, ranks, reducer, transport):
    times = {}
    for size in a.sizes:
        file = folder / "ours.json"
        run([a.program, "bench", "allreduce", "--workers", ranks, "--reducer", reducer, "--transport", transport,
             "-b", size, "-e", size, "--seconds", a.seconds, "--quiet", "--json", file])
        times[size] = json.loads(file.read_text())["reducers"][0]["results"][0]
    return times


def theirs(text):
    return {result["size"]: result for result in json.loads(text)["results"]}


def compiled(folder, compiler):
    """The measuring program of MPI, or None, with the reason said, where it cannot be built."""
    for tool in (*compiler[:1], "mpirun"):
        if not shutil.which(tool):
            print(f"without Open MPI: {tool} is not here (apt-get install libopenmpi-dev openmpi-bin)")
            return None
    program = folder / "mpi_allreduce"
    done = subprocess.run([*compiler, "-std=c++20", "-O2", str(PEERS / "mpi_allreduce.cpp"), "-o", str(program)],
                          capture_output=True, text=True)
    if done.returncode != 0:
        print(f"without Open MPI: {done.stderr.strip().splitlines()[0]} (apt-get install libopenmpi-dev)")
        return None
    return program


def mpi(a, program, ranks, layers):
    binding = "core" if ranks <= len(os.sched_getaffinity(0)) else "none"
    return theirs(run(["mpirun", "-n", ranks, "--allow-run-as-root", "--oversubscribe", "--bind-to", binding,
                       *layers, program, a.seconds, *a.sizes]))


def gloo(a, ranks):
    return theirs(run([a.python, PEERS / "gloo_allreduce.py", "--ranks", ranks, "--seconds", a.seconds, *a.sizes],
                      {"GLOO_SOCKET_IFNAME": "lo"}))


def contestants(a, folder):
    """By name, functions of the number of ranks."""
    found = {f"ours {name} {way}": lambda ranks, name=name, way=way: ours(a, folder, ranks, name, way.replace(" ", "_"))
             for way in WAYS for name in a.reducers}
    program = compiled(folder, a.mpicxx.split())
    if program is not None:
        for name, layers in (("openmpi shared memory", ["--mca", "btl", "self,vader"]),
                             ("openmpi tcp", ["--mca", "btl", "self,tcp", "--mca", "btl_tcp_if_include", "lo"])):
            found[name] = lambda ranks, layers=layers: mpi(a, program, ranks, layers)
    if subprocess.run([a.python, "-c", "import torch.distributed"], capture_output=True).returncode == 0:
        found["gloo tcp"] = lambda ranks: gloo(a, ranks)
    else:
        print(f"without Gloo: {a.python} has no torch (apt-get install python3-torch)")
    return found


def compare(names, rounds, size):
    """Medians in microseconds, and how many times as fast each of ours is as each of theirs."""
    times = {name: [one[name][size]["in_place"]["p50_us"] for one in rounds] for name in names}
    mine = [name for name in names if name.startswith("ours ")]
    ratios = {f"{m} / {peer}": median([t / o for o, t in zip(times[m], times[peer])])
              for m in mine for peer in names if peer not in mine
              and any(m.endswith(way) and peer.endswith(way) for way in WAYS)}
    return {"median_us": {name: median(values) for name, values in times.items()}, "ratios": ratios}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the program firecaffe, built with the release preset")
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--reducers", nargs="+", default=["auto"])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="bytes")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.2, help="for each size, but 20 iterations at least")
    parser.add_argument("--python", default="/usr/bin/python3", help="an interpreter that has torch")
    parser.add_argument("--mpicxx", default="mpicxx", help="the compiler, with arguments if need be")
    parser.add_argument("--result", action="store_true", help="write a dated JSON under bench/results")
    a = parser.parse_args()
    result = {}
    with tempfile.TemporaryDirectory() as name:
        measure = contestants(a, pathlib.Path(name))
        for ranks in a.ranks:
            rounds = []
            for number in range(a.rounds):
                order = list(measure) if number % 2 == 0 else list(reversed(measure))
                rounds.append({contestant: measure[contestant](ranks) for contestant in order})
                print(f"{ranks} ranks: round {number + 1} of {a.rounds}", flush=True)
            result[str(ranks)] = {str(size): compare(list(measure), rounds, size) for size in a.sizes}
            for size, figures in result[str(ranks)].items():
                words = ", ".join(f"{who} {us:.1f} us" for who, us in figures["median_us"].items())
                print(f"{ranks} ranks, {size} bytes: {words}")
                for pair, ratio in figures["ratios"].items():
                    print(f"    {pair}: {ratio:.2f} times as fast")
    if a.result:
        write_result("allreduce-peers", {"what": __doc__.strip().split("\n\n")[0], "rounds": a.rounds,
                                         "seconds": a.seconds, "by_ranks_and_bytes": result})


if __name__ == "__main__":
    main()
