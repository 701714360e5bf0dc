#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast PyTorch trains our nets on a GPU: images/s of forward, backward and an SGD step; the images lie on the GPU.

As a user of PyTorch would have it fast: channels last, autocast to bfloat16, cuDNN choosing by measurement, the fused
SGD; eager, eager with the whole step replayed as a CUDA graph ("graph"), or compiled by torch.compile in one of its
modes. Images are random bytes, which the step makes floats.
After the warm-up come rounds of steps, timed by CUDA events; the median of the rounds counts.

Prints a JSON object per line, one for each net, batch and mode, as soon as it is measured. What fails says `error`
there; the others go on, and the exit status is 1.

Examples:
  python3 bench/peers/torch_gpu.py --nets nin_imagenet googlenet --batch 128 256 --modes eager reduce-overhead
  python3 bench/peers/torch_gpu.py --nets resnet50 --modes max-autotune
  python3 bench/peers/torch_gpu.py --nets nin --device cpu --batch 2 --modes eager --precision float32 --steps 2
"""
import argparse
import inspect
import json
import math
import pathlib
import statistics
import sys
import time

import torch

sys.dont_write_bytecode = True
sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent)]

from torch_module import TorchModule, image_of, net_file  # noqa: E402

NETS = ("nin_imagenet", "googlenet", "alexnet", "vgg19", "resnet50")
COMPILED = ("default", "reduce-overhead", "max-autotune")  # modes of torch.compile
MODES = ("eager", "graph", *COMPILED)


def seconds_of(device, work):
    """How long work() takes. On a GPU: from its first kernel to the end of its last."""
    if device == "cpu":
        start = time.perf_counter()
        work()
        return time.perf_counter() - start
    first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    first.record()
    work()
    last.record()
    last.synchronize()
    return first.elapsed_time(last) / 1000


def choose_arithmetic(precision):
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = precision != "float32"
    torch.backends.cuda.matmul.allow_tf32 = precision != "float32"


class Training:
    """Steps of a net on one batch that stays on the device."""

    def __init__(self, module, image, batch, mode, a):
        generator = torch.Generator(a.device).manual_seed(2)
        pixels = torch.randint(0, 256, (batch, *image), dtype=torch.uint8, device=a.device, generator=generator)
        self.images = pixels.to(memory_format=torch.channels_last)
        self.labels = torch.randint(0, module.classes, (batch,), device=a.device, generator=generator)
        self.module = module.to(memory_format=torch.channels_last)
        self.type = a.device
        self.half = a.precision == "bf16"
        can_fuse = a.device == "cuda" and "fused" in inspect.signature(torch.optim.SGD).parameters
        fused = {"fused": True} if can_fuse else {}
        self.solver = torch.optim.SGD(module.parameters(), lr=1e-5, momentum=0.9, weight_decay=5e-4, **fused)
        self.loss_of = torch.compile(self.plain_loss, mode=mode) if mode in COMPILED else self.plain_loss
        # torch.compile's CUDA graphs write into the same memory each time, so they are told where a step begins.
        self.begin = getattr(getattr(torch, "compiler", None), "cudagraph_mark_step_begin", lambda: None)
        self.loss = None

    def plain_loss(self, pixels, labels):
        images = (pixels.float() - 127.5) / 64
        with torch.autocast(self.type, torch.bfloat16, enabled=self.half):
            return self.module(images, labels)

    def step(self):
        self.begin()
        self.solver.zero_grad(set_to_none=True)
        self.loss = self.loss_of(self.images, self.labels)
        self.loss.backward()
        self.solver.step()

    def record(self):
        """From now on a step is the replay of a CUDA graph. What allocates or measures must have happened before, on a
        stream of its own."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            self.steps(3)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step()
        self.step = graph.replay

    def steps(self, count):
        for _ in range(count):
            self.step()


def measure(file, image, batch, mode, a):
    """The figures of one net, batch and mode."""
    module = TorchModule.from_file(file, image, device=a.device)
    training = Training(module, image, batch, mode, a)
    if mode == "graph":
        training.record()
    warm_up = seconds_of(a.device, lambda: training.steps(a.warm_up))
    speeds = [batch * a.steps / seconds_of(a.device, lambda: training.steps(a.steps)) for _ in range(a.rounds)]
    loss = float(training.loss)
    if not math.isfinite(loss):
        raise ArithmeticError(f"the loss is {loss}")
    memory = torch.cuda.max_memory_allocated() / 2**30 if a.device == "cuda" else None
    middle = statistics.median(speeds)
    return {"images_per_second": round(middle, 2), "slowest": round(min(speeds), 2), "fastest": round(max(speeds), 2),
            "milliseconds_per_step": round(1000 * batch / middle, 4), "rounds": a.rounds, "steps": a.steps,
            "warm_up_seconds": round(warm_up, 2), "loss": loss, "parameters": module.parameter_count(),
            "memory_gib": memory and round(memory, 2), **({"graph_breaks": graph_breaks()} if mode in COMPILED else {})}


def graph_breaks():
    """Where torch.compile fell back to Python. If there are any, what was measured is not what it can do."""
    return sum(torch._dynamo.utils.counters["graph_break"].values())


def forget(device):
    """So that a measurement does not stand on the one before it."""
    if hasattr(torch, "_dynamo"):
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="+", default=list(NETS), help="folders of examples/, or files")
    parser.add_argument("--batch", nargs="+", type=int, default=[256])
    parser.add_argument("--modes", nargs="+", choices=MODES, default=["eager", "graph", "reduce-overhead"])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--precision", choices=("bf16", "tf32", "float32"), default="bf16")
    parser.add_argument("--input", help="channels, height and width, if not those that the net is made for: 3x224x224")
    parser.add_argument("--warm-up", type=int, default=30, help="steps that are not measured")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=50, help="of a round")
    a = parser.parse_args()
    if a.device == "cuda" and not torch.cuda.is_available():
        sys.exit(f"PyTorch {torch.__version__} sees no GPU; use --device cpu to try this script without one")
    choose_arithmetic(a.precision)
    name = torch.cuda.get_device_name() if a.device == "cuda" else "cpu"
    failed = False
    for net, batch, mode in ((n, b, m) for n in a.nets for b in a.batch for m in a.modes):
        file = net_file(net)
        image = tuple(map(int, a.input.split("x"))) if a.input else image_of(file)
        line = {"net": net, "image": "x".join(map(str, image)), "batch": batch, "mode": mode, "device": name,
                "precision": a.precision, "layout": "channels_last", "torch": torch.__version__}
        try:
            line.update(measure(file, image, batch, mode, a))
        except Exception as error:  # what one net cannot do says nothing about the others
            failed = True
            line["error"] = f"{type(error).__name__}: {error}"[:500]
        print(json.dumps(line), flush=True)
        forget(a.device)
    sys.exit(failed)


if __name__ == "__main__":
    main()
