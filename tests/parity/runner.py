# SPDX-License-Identifier: Apache-2.0
"""The folders that parity_runner reads and answers in."""
import json
import subprocess

import torch

import tensors

DTYPES = {"F32": torch.float32, "F64": torch.float64}


def write_case(case, folder, dtype, also=()):
    """`also`: blobs that are to be answered beside those that the case retains."""
    arrays = {"data": case.data, "label": case.labels, **case.parameters}
    folder.mkdir(parents=True)
    (folder / "net.json").write_text(json.dumps(case.spec))
    tensors.save(folder / "request.safetensors", {k: v.to(DTYPES[dtype]) for k, v in arrays.items()},
                 {"phase": case.phase, "retain": ",".join(dict.fromkeys([*case.retain, *also])), "dtype": dtype})


def write_training(run, folder, dtype):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(run.config()))
    tensors.save(folder / "request.safetensors", run.arrays, {"dtype": dtype, "classes": str(run.classes)})
    tensors.save(folder / "model.safetensors", {k: v.to(DTYPES[dtype]) for k, v in run.initial.items()}, {})


def answer_of(report, folder):
    """What the runner wrote, or None with a fault noted."""
    error = folder / "error.txt"
    if error.exists():
        report.faults.append(f"{folder.name}: {error.read_text()}")
    elif not (folder / "answer.safetensors").exists():
        report.faults.append(f"{folder.name}: no answer")
    else:
        return tensors.load(folder / "answer.safetensors")
    return None


def run(runner, folders):
    """Ours, on these folders one after the other; what fails leaves its words in its folder."""
    subprocess.run([runner, *folders], check=False)
