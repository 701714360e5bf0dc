# SPDX-License-Identifier: Apache-2.0
"""`firecaffe bench allreduce` on the nodes of a cluster."""
import json
import pathlib
import subprocess
import tempfile


def measure(cluster, program, reducers, sizes, chunk_kb, iterations, timeout):
    """The tables of the bench's JSON by reducer: their results by size. `sizes` is the smallest, the largest and the factor
    from one to the next. Ends the script if a rank fails or a sum is wrong."""
    first, last, factor = sizes
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "allreduce.json"
        statuses = cluster.run([program, "bench", "allreduce", "--reducer", ",".join(reducers), "-b", first, "-e", last,
                                "-f", factor, "-w", 1, "-n", iterations, "-c", 1, "--chunk-kb", chunk_kb, "--deadline", 60,
                                "--quiet", "--json", file], timeout=timeout, output=subprocess.DEVNULL)
        if any(statuses):
            raise SystemExit(f"error: the bench on {cluster.nodes} nodes ended with the statuses {statuses}; see its "
                             "messages above")
        figures = json.loads(file.read_text())
    if figures["nwrong"] != 0:
        raise SystemExit(f"error: {figures['nwrong']} elements of the sums over {cluster.nodes} nodes are wrong")
    return {table["reducer"]: table["results"] for table in figures["reducers"]}
