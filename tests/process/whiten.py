#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`firecaffe whiten`: sets that it makes are trained and tested on like any other; what it refuses, and what it leaves."""
import json
import os

from harness import ProcessTest, main, run, start, summary

NET = {"layers": [
    {"name": "conv", "type": "Convolution", "num_output": 6, "kernel_size": 3, "weight_filler": {"type": "xavier"}},
    {"name": "relu", "type": "ReLU", "top": "conv"},
    {"name": "fc", "type": "InnerProduct", "num_output": 10, "weight_filler": {"type": "xavier"}},
    {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["fc", "label"]},
    {"name": "accuracy", "type": "Accuracy", "bottom": ["fc", "label"], "phase": "test"}]}
SOLVER = {"base_lr": 0.05, "momentum": 0.9, "max_iter": 30, "global_batch": 32, "shards": 4, "display": 0}
FILES = ["test-images.idx", "test-labels.idx", "train-images.idx", "train-labels.idx", "whitening.safetensors"]


class Whiten(ProcessTest):
    def setUp(self):
        super().setUp()
        self.raw = self.config("raw", {set_: {"type": "synthetic", "shape": [3, 8, 8], "count": count}
                                       for set_, count in (("train", 700), ("test", 100))})

    def config(self, name, data):
        path = self.directory / f"{name}.json"
        path.write_text(json.dumps({"data": data, "net": NET, "solver": SOLVER}))
        return path

    def whiten(self, name, *arguments, config=None):
        self.assert_done(run("whiten", config or self.raw, "--output", self.directory / name, *arguments))
        return {file: (self.directory / name / file).read_bytes() for file in FILES}

    def refuse(self, status, *words, arguments=(), name="out", config=None):
        done = run("whiten", config or self.raw, "--output", self.directory / name, *arguments)
        self.assertEqual(done.status, status, str(done))
        self.assertEqual(len(done.errors()), 1, str(done))
        for word in words:
            self.assertIn(word, done.errors()[0])
        self.assert_nothing_half_written(self.directory)

    def test_training_on_whitened_sets(self):
        self.whiten("white")
        self.assertEqual(sorted(os.listdir(self.directory / "white")), FILES)
        # As data of a config beside the directory: relative paths count from there.
        config = self.config("trained", {set_: {"type": "idx", "images": f"white/{set_}-images.idx",
                                                "labels": f"white/{set_}-labels.idx"} for set_ in ("train", "test")})
        digests = set()
        for workers in (1, 2):
            output = self.directory / f"run{workers}"
            self.assert_done(run("train", config, "--workers", workers, "--output", output))
            found = summary(output)
            digests.add(found["parameters_digest"])
            self.assertEqual(found["test_images"], 100)
            self.assertGreater(found["test_top1"], 0.5)  # chance is 0.1: labels belong to their images
        self.assertEqual(len(digests), 1)
        tested = self.assert_done(run("test", config, "--output", self.directory / "run1"))
        self.assertIn("on 100 images", tested.out)

    def test_files_do_not_depend_on_threads(self):
        one = self.whiten("one", "--threads", 1)
        for threads in (2, 5):
            self.assertEqual(self.whiten(f"with{threads}", "--threads", threads), one)

    def test_a_stored_whitening(self):
        first = self.whiten("first")
        stored = self.directory / "first" / "whitening.safetensors"
        self.assertEqual(self.whiten("again", "--whitening", stored), first)

        other = self.config("other", {"train": {"type": "synthetic", "shape": [3, 8, 8], "count": 600}})
        done = self.assert_done(run("whiten", other, "--output", self.directory / "of_other", "--whitening", stored))
        self.assertIn("fitted to 700 other images than those of /data/train", done.err)
        self.assertEqual((self.directory / "of_other" / FILES[-1]).read_bytes(), first[FILES[-1]])
        # The other set is the beginning of the first, and is whitened alike.
        images = (self.directory / "of_other" / "train-images.idx").read_bytes()[20:]
        self.assertEqual(len(images), 600 * 192 * 4)
        self.assertEqual(images[:512 * 192 * 4], first["train-images.idx"][20:20 + 512 * 192 * 4])

        wide = self.config("wide", {"train": {"type": "synthetic", "shape": [3, 8, 9], "count": 600}})
        self.refuse(78, str(stored), "8", "9", "--whitening", arguments=("--whitening", stored), config=wide)
        stored.write_bytes(first[FILES[-1]][:-4])
        self.refuse(65, str(stored), "fetch or save it again", arguments=("--whitening", stored))
        stored.unlink()
        self.refuse(66, str(stored), arguments=("--whitening", stored))

    def test_options(self):
        usual = self.whiten("usual")
        self.assertEqual(self.whiten("stated", "--contrast", 55, "--filter-bias", 0.1), usual)
        self.assertNotEqual(self.whiten("flat", "--contrast", 1)["train-images.idx"], usual["train-images.idx"])
        self.assertNotEqual(self.whiten("mild", "--filter-bias", 10)["train-images.idx"], usual["train-images.idx"])
        self.refuse(78, "filter_bias 0", arguments=("--filter-bias", "0"))
        self.refuse(2, "--whitening", arguments=("--contrast", "1", "--whitening", "x"))

    def test_sets_that_cannot_be_whitened(self):
        def sets(shape, test_shape, **more):
            return {"train": {"type": "synthetic", "shape": shape, "count": 20, **more},
                    "test": {"type": "synthetic", "shape": test_shape, "count": 20, **more}}
        self.refuse(78, "8", "9", "/data/test", config=self.config("a", sets([3, 8, 8], [3, 8, 9])))
        self.refuse(78, "257 classes", "256", config=self.config("b", sets([3, 8, 8], [3, 8, 8], classes=257)))
        self.refuse(78, "150528 values", "12288", config=self.config("c", sets([3, 224, 224], [3, 224, 224])))

    def test_an_output_that_is_there(self):
        first = self.whiten("white")
        self.refuse(2, str(self.directory / "white"), "is there already", name="white")
        self.assertEqual(first, {file: (self.directory / "white" / file).read_bytes() for file in FILES})

    def test_a_killed_one_leaves_nothing_under_the_name_and_the_next_one_cleans_up(self):
        left = self.directory / ".tmp-white-999999999"
        left.mkdir()
        (left / "train-images.idx").write_bytes(b"half")
        kept = self.directory / ".tmp-white-other"
        kept.mkdir()
        running = start("whiten", self.raw, "--output", self.directory / "white", "--set", "data.train.count=200000")
        running.wait_for_line("fitting")
        running.process.kill()
        running.process.wait()
        self.assertFalse((self.directory / "white").exists())
        self.whiten("white")
        self.assertEqual(sorted(p.name for p in self.directory.iterdir() if ".tmp" in p.name), [kept.name])


if __name__ == "__main__":
    main(needs=None)
