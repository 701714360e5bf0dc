# SPDX-License-Identifier: Apache-2.0
"""The nets that bench/peers measures PyTorch's speed with are ours: as many parameters as `firecaffe analyze` counts,
and the loss and the gradients of TorchNet, which parity_test.py holds against ours. And the measuring scripts run.

Usage: parity_peers_test.py PROGRAM SOURCE_FOLDER WORK_FOLDER
"""
import json
import pathlib
import subprocess
import sys

import torch

PROGRAM, SOURCE, WORK = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
PEERS = SOURCE / "bench" / "peers"
sys.path[:0] = [str(PEERS)]

import tensors  # noqa: E402
from report import Report  # noqa: E402
from torch_module import TorchModule, image_of  # noqa: E402
from torch_net import TorchNet  # noqa: E402


def analyzed_parameters(file):
    figures = WORK / "figures.json"
    shape = "x".join(map(str, image_of(file)))
    subprocess.run([PROGRAM, "analyze", file, "--input", shape, "--json", figures], check=True,
                   stdout=subprocess.DEVNULL)
    return json.loads(figures.read_text())["total"]["parameters"]


def check_counts(report):
    files = sorted((SOURCE / "examples").rglob("net*.json"))
    report.expect(len(files) > 10, f"only {len(files)} nets under {SOURCE / 'examples'}")
    for file in files:
        counted, expected = TorchModule.from_file(file, device="meta").parameter_count(), analyzed_parameters(file)
        report.expect(counted == expected, f"{file.parent.name}: {counted} parameters, analyze says {expected}")
    report.end_case("as many parameters as analyze counts")


def without_dropout(file):
    spec = json.loads(file.read_text())
    for layer in spec["layers"]:
        if layer["type"] == "Dropout":
            layer["dropout_ratio"] = 0.0  # each draws its own masks
    return spec


def check_computes(report, name, image, most=1e-9):
    """The same loss and gradients as TorchNet in double, from the same parameters."""
    spec = without_dropout(SOURCE / "examples" / name)
    module = TorchModule(spec, image).double()
    generator = torch.Generator().manual_seed(3)
    images = torch.randn(2, *image, generator=generator).double()
    labels = torch.randint(0, module.classes, (2,), generator=generator)
    loss = module(images, labels)
    loss.backward()

    learned = {key.removeprefix("parts."): p.detach().clone().requires_grad_() for key, p in module.named_parameters()}
    remembered = {"mean": torch.zeros, "variance": torch.ones, "count": torch.ones}

    def get(key, shape):
        return learned[key] if key in learned else remembered[key.rpartition(".")[2]](shape).double()

    expected, _ = TorchNet(spec, masks=lambda *_: 1).forward(images, labels, get)
    expected.backward()
    report.expect(tensors.distance(loss.detach(), expected.detach()) <= most, f"loss {loss}, not {expected}")
    for key, p in learned.items():
        apart = tensors.distance(module.kept(key).grad, p.grad)
        report.expect(apart <= most, f"the gradient of {key} is {apart:.1e} away")
    report.end_case(f"{name} computes what TorchNet does")


def lines_of(script, *arguments):
    """Exit status and the objects that a measuring script prints."""
    done = subprocess.run([sys.executable, PEERS / script, "--device", "cpu", *arguments], stdout=subprocess.PIPE,
                          text=True, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def check_scripts(report):
    quick = ("--batch", "2", "--modes", "eager", "--precision", "float32", "--warm-up", "1", "--rounds", "2",
             "--steps", "1")
    status, (missing, found) = lines_of("torch_gpu.py", "--nets", "no-such-net", "nin", *quick)
    report.expect(status == 1 and "no-such-net" in missing["error"], f"no error of a net that is not there: {missing}")
    report.expect(0 < found["slowest"] <= found["images_per_second"] <= found["fastest"], f"no speed in {found}")
    report.expect(found["parameters"] == 154186, f"not the net that was asked for: {found}")
    status, (limits,) = lines_of("torch_limits.py", "--mebibytes", "1", "--matrix", "32", "--repeats", "2")
    report.expect(status == 0 and len(limits) == 3 and min(limits.values()) > 0, f"no limits in {limits}")
    report.end_case("the measuring scripts run")


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    report = Report({})
    check_counts(report)
    check_computes(report, "nin/net_bn.json", (1, 28, 28))
    check_computes(report, "googlenet/net.json", (3, 80, 80))
    check_computes(report, "resnet18/net.json", (3, 64, 64))
    check_scripts(report)
    report.finish()


main()
