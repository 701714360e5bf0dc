# SPDX-License-Identifier: Apache-2.0
"""A cluster on one machine: nodes that are network namespaces of their own, around a switch, on links of a given rate.

Node i has the address 10.77.0.(i + 1) and the host name node<i>. Its link to the switch is a pair of virtual Ethernet
devices, of which each end has a token bucket (tc-tbf): so much up and so much down at the same time. The switch is a
bridge, and no narrower than its links.

A namespace here has no name: it lives as long as a process in it, and that process dies with this one, however this one
ends. So nothing is left over (but what a rank's own children keep; firecaffe has none), and nothing outside of the
namespaces is touched. Needs root, and iproute2.
"""
import ctypes
import os
import secrets
import shutil
import signal
import subprocess
import time

PREFIX = "10.77.0"  # in namespaces that nothing leads out of, so it collides with nobody's
MOST_NODES = 253
PORT = 29400
BUCKET = "128kb"  # two of the largest packets that the kernel hands over at once
QUEUE = "50ms"    # what may wait at a link before packets are dropped
# How TCP answers congestion, whatever this machine's own way is: one that every kernel has, and that needs no timer for each
# packet of a connection, as bbr does. All nodes share these processors.
CONGESTION = "reno"


class ClusterError(Exception):
    """What is lacking, and the cure, in one line."""


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, which outlives exec


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise ClusterError(f"{' '.join(command)}: {done.stderr.strip() or f'status {done.returncode}'}")


def why_not():
    """Why there can be no cluster here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root; start it as root"
    for tool, package in (("ip", "iproute2"), ("tc", "iproute2"), ("unshare", "util-linux"), ("nsenter", "util-linux")):
        if not shutil.which(tool):
            return f"{tool} is not here (apt-get install {package})"
    probe = subprocess.run(["unshare", "--net", "--uts", "tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "1gbit",
                            "burst", BUCKET, "latency", QUEUE], capture_output=True, text=True)
    return f"this kernel or container allows no such links: {probe.stderr.strip()}" if probe.returncode else None


class Cluster:
    """`with Cluster(4, "1gbit") as cluster: cluster.run([...])`. A rate is what tc takes: 100mbit, 1gbit."""

    def __init__(self, nodes, rate):
        if not 1 <= nodes <= MOST_NODES:
            raise ClusterError(f"a cluster of {nodes} nodes: give 1 to {MOST_NODES}")
        if reason := why_not():
            raise ClusterError(reason)
        self.nodes, self.rate = nodes, rate
        self._keepers, self._processes = [], []  # a process that keeps a namespace alive: of each node, and the switch

    def __enter__(self):
        try:
            for _ in range(self.nodes + 1):
                self._keepers.append(self._namespace())
            switch = self._keepers[self.nodes]
            self._within(switch, "ip", "link", "add", "bridge", "type", "bridge")
            self._within(switch, "ip", "link", "set", "bridge", "up")
            for node, keeper in enumerate(self._keepers[:self.nodes]):
                self._connect(node, keeper, switch)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self._processes + self._keepers:
            process.kill()
        for process in self._processes + self._keepers:
            process.wait()
        self._processes, self._keepers = [], []

    @staticmethod
    def address(node):
        return f"{PREFIX}.{node + 1}"

    def start(self, node, command, environment=None, **how):
        """Starts a process on a node; `how` goes to Popen. It is killed when the cluster ends."""
        process = subprocess.Popen([*self._enter(self._keepers[node]), *map(str, command)],
                                   env={**os.environ, **(environment or {})}, preexec_fn=_die_with_parent, **how)
        self._processes.append(process)
        return process

    def run(self, command, environment=None, timeout=None, patience=30, output=None):
        """Runs the program on every node as one rank of a job, and returns the ranks' exit statuses. What rank 0 writes
        goes to `output`; the others' goes nowhere, but for errors. Who is not done `patience` seconds after another has
        failed, or after `timeout` seconds, is killed, and has a negative status."""
        shared = {"FIRECAFFE_WORLD_SIZE": str(self.nodes), "FIRECAFFE_LOCAL_RANK": "0",
                  "FIRECAFFE_LOCAL_WORLD_SIZE": "1", "FIRECAFFE_TOKEN": secrets.token_hex(32),
                  "FIRECAFFE_RENDEZVOUS": f"tcp://{self.address(0)}:{PORT}", **(environment or {})}
        ranks = [self.start(node, command, {**shared, "FIRECAFFE_RANK": str(node)}, stdin=subprocess.DEVNULL,
                            stdout=output if node == 0 else subprocess.DEVNULL) for node in range(self.nodes)]
        end = None if timeout is None else time.monotonic() + timeout
        while any(rank.poll() is None for rank in ranks):
            if any(rank.returncode for rank in ranks):
                soon = time.monotonic() + patience
                end, patience = soon if end is None else min(end, soon), float("inf")
            if end is not None and time.monotonic() > end:
                for rank in ranks:
                    rank.kill()
            time.sleep(0.02)
        self._processes = [process for process in self._processes if process not in ranks]
        return [rank.returncode for rank in ranks]

    def silence(self, node, outgoing=True, incoming=True):
        """From now on, what the node sends is lost, or what is sent to it, or both; nobody is told."""
        switch = self._keepers[self.nodes]
        for wanted, end, device in ((outgoing, self._keepers[node], "eth0"), (incoming, switch, f"port{node}")):
            if wanted:
                self._within(end, "tc", "qdisc", "replace", "dev", device, "root", "blackhole")

    @staticmethod
    def _enter(keeper):
        return ["nsenter", "--target", str(keeper.pid), "--net", "--uts"]

    def _within(self, keeper, *command):
        _run(*self._enter(keeper), *command)

    @staticmethod
    def _namespace():
        # The line says that the namespace is there; after that the process only waits to be killed.
        keeper = subprocess.Popen(["unshare", "--net", "--uts", "sh", "-c", "echo there && exec sleep infinity"],
                                  stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent)
        with keeper.stdout as line:
            there = line.readline() == b"there\n"
        if not there:
            keeper.kill()
            keeper.wait()
            raise ClusterError("unshare made no network namespace; its own message says why")
        return keeper

    def _connect(self, node, keeper, switch):
        port = f"port{node}"
        self._within(switch, "ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns",
                     str(keeper.pid))
        self._within(switch, "ip", "link", "set", port, "master", "bridge", "up")
        self._within(keeper, "ip", "link", "set", "lo", "up")
        self._within(keeper, "ip", "address", "add", f"{self.address(node)}/24", "dev", "eth0")
        self._within(keeper, "ip", "link", "set", "eth0", "up")
        self._within(keeper, "ip", "route", "replace", f"{PREFIX}.0/24", "dev", "eth0", "src", self.address(node), "congctl",
                     CONGESTION)
        self._within(keeper, "hostname", f"node{node}")
        for end, device in ((keeper, "eth0"), (switch, port)):
            self._within(end, "tc", "qdisc", "add", "dev", device, "root", "tbf", "rate", self.rate, "burst", BUCKET,
                         "latency", QUEUE)
