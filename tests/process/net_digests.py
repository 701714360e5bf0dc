#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same parameters, bit for bit, for any number of workers: GoogLeNet (dropout, two auxiliary heads) and ResNet-18
(batch norm, whose statistics are summed like gradients) from examples/, at 64 pixels, on synthetic images."""
import json

from harness import ROOT, ProcessTest, main, start, summary

PIXELS = 64
SETTINGS = {"type": "sgd", "base_lr": 0.01, "lr_policy": "fixed", "momentum": 0.9, "weight_decay": 0.0005,
            "max_iter": 3, "global_batch": 8, "shards": 4, "random_seed": 1, "display": 0}


def net_of(example):
    """The example's net. GoogLeNet's heads begin with a pooling of 5 x 5, made for maps of 14 x 14; an image of 64
    pixels leaves them 4 x 4, so there they take the mean of the whole map."""
    net = json.loads((ROOT / "examples" / example / "net.json").read_text())
    for layer in net["layers"]:
        if layer["type"] == "Pooling" and layer.get("kernel_size") == 5:
            del layer["kernel_size"], layer["stride"]
            layer["global_pooling"] = True
    return net


class NetDigests(ProcessTest):
    def trained(self, net, *arguments, **changes):
        """Trains to the end; the summary."""
        folder = self.directory / str(len(list(self.directory.iterdir())))
        folder.mkdir()
        images = {"type": "synthetic", "shape": [3, PIXELS, PIXELS], "count": 256, "classes": 1000}
        transform = {"mirror": True, "pad": 4, "crop_size": PIXELS, "mean_value": [127.5], "scale": 0.015625}
        config = {"data": {"train": images, "transform": transform}, "net": net, "solver": {**SETTINGS, **changes},
                  "output": {"checkpoint_interval": 0}}
        (folder / "config.json").write_text(json.dumps(config))
        self.assert_done(start("train", folder / "config.json", "--output", folder / "run", *arguments))
        return summary(folder / "run")

    def assert_one_digest(self, net):
        """For 1 to 4 workers, of which 3 divide 4 shards unevenly. Returns the digest."""
        reference = self.trained(net, "--workers", "1", "--threads", "1")
        self.assertEqual(len(reference["parameters_digest"]), 64)
        for workers, threads in ((1, 2), (2, 1), (3, 1), (4, 1)):
            with self.subTest(workers=workers, threads=threads):
                found = self.trained(net, "--workers", str(workers), "--threads", str(threads))
                self.assertEqual(found["workers"], workers)
                for key in ("parameters_digest", "train_loss"):
                    self.assertEqual(found[key], reference[key], key)
        return reference["parameters_digest"]

    def test_googlenet(self):
        net = net_of("googlenet")
        losses = [layer for layer in net["layers"] if layer["type"] == "SoftmaxWithLoss"]
        dropouts = [layer for layer in net["layers"] if layer["type"] == "Dropout"]
        self.assertEqual((len(losses), len(dropouts)), (3, 3))
        digest = self.assert_one_digest(net)
        for workers in (2, 3):
            with self.subTest(workers=workers, factors="always"):
                found = self.trained(net, "--workers", str(workers), "--set", "reducer.factors=always")
                self.assertEqual(found["parameters_digest"], digest)
                self.assertEqual([f["as_factors"] for f in found["factors"]], 5 * [True])
        dropouts[-1]["dropout_ratio"] = 0
        self.assertNotEqual(self.trained(net)["parameters_digest"], digest, "without the last dropout")

    def test_resnet18(self):
        net = net_of("resnet18")
        self.assertEqual(sum(layer["type"] == "BatchNorm" for layer in net["layers"]), 20)
        digest = self.assert_one_digest(net)
        self.assertNotEqual(self.trained(net, shards=2)["parameters_digest"], digest, "statistics of other shards")


if __name__ == "__main__":
    main(needs=None)
