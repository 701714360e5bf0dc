#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the program says, and what it leaves, when something that it was given is wrong. Each time: the exit status of
ExitStatus in core/error.hpp; one line of error per process, which starts with "firecaffe: " and has the place and the cure;
nothing half-written; and no process left.

Usage: bad_input.py [Configs | Nets | CommandLine | Data | Checkpoints | Ranks | Outputs]; without an argument all of them."""
import array
import gzip
import json
import re
import signal
import socket

from harness import (EXAMPLE, FASHION_MNIST, ProcessTest, by_hand, catches, free_port, main, run, settings, train,
                     train_ranks, wait_until)

USAGE, FAILED, BAD_DATA, MISSING, UNAVAILABLE, IO, TRY_AGAIN, BAD_CONFIG = 2, 1, 65, 66, 69, 74, 75, 78
IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


class BadInput(ProcessTest):
    def setUp(self):
        super().setUp()
        self.output = self.directory / "output"

    def check(self, running, status, *words):
        """One line of error with all the words."""
        running.wait()
        self.assertEqual(running.status, status, str(running))
        self.assertEqual(len(running.errors()), 1, str(running))
        self.assertEqual(running.out, "", str(running))
        for word in words:
            self.assertIn(word, running.errors()[0])
        self.assert_nothing_half_written(self.directory)
        return running

    def check_with_workers(self, status, *words, arguments=(), changes=None):
        """Alone and with three workers: in both cases it is said once, before anything is started."""
        for workers in ("1", "3"):
            with self.subTest(workers=workers):
                done = self.check(train("--workers", workers, "--output", self.output, *arguments, changes=changes),
                                  status, *words)
                self.assertNotIn("local workers meet", done.err)


class Configs(BadInput):
    def check_text(self, text, status, *words):
        config = self.directory / "config.json"
        config.write_text(text)
        for workers in ("1", "2"):
            with self.subTest(config=words, workers=workers):
                self.check(run("train", config, "--workers", workers, "--output", self.output), status, str(config),
                           *words)

    def test_keys(self):
        good = EXAMPLE.read_text().replace('"net.json"', json.dumps(str(EXAMPLE.parent / "net.json")))
        reducer_line = good[:good.index('"reducer"')].count("\n") + 1
        for old, new, words in (
                (r'"base_lr":', '"base_rl":', ("/solver/base_rl", "unknown key", "did you mean 'base_lr'")),
                (r'"momentum":', '"momentum": 0.8, "momentum":', ("/solver/momentum", "duplicate")),
                (r'"base_lr": [^,]*,', "", ("/solver", "base_lr", "missing")),
                (r'"max_iter": \d+', '"max_iter": "many"', ("/solver/max_iter", "expected", '"many"')),
                (r'"shards": \d+', '"shards": 1.5', ("/solver/shards", "expected", "1.5")),
                (r'"mirror": true', '"mirror": 1', ("/data/transform/mirror", "expected", "1")),
                (r'"momentum": [\d.]+', '"momentum": 1.5', ("/solver/momentum", "1.5")),
                (r'"random_seed": \d+', '"random_seed": -1', ("random_seed", "-1")),
                (r'"reducer":', '"reducer" ', (f":{reducer_line}:", "expected"))):
            changed, count = re.subn(old, new, good)
            self.assertEqual(count, 1, old)
            self.check_text(changed, BAD_CONFIG, *words)
        self.check_text("", BAD_CONFIG)
        self.check_text(good[:200], BAD_CONFIG)

    def test_values_that_do_not_fit_together(self):
        for changes, words in (({"solver.shards": 7}, ("/solver/shards", "7", "32")),
                               ({"solver.shards": 0, "solver.global_batch": 31}, ("31", "choose solver.shards")),
                               ({"data.transform.crop_size": 40}, ("crop_size 40", "30x30", "lower crop_size")),
                               ({"solver.type": "adagrad"}, ("/solver/momentum", "adagrad", "write 0")),
                               ({"solver.warmup_iter": 13}, ("/solver/warmup_iter", "13", "12")),
                               ({"solver.iter_size": 3}, ("/solver/iter_size", "3 times shards 8", "32")),
                               ({"reducer.type": "rign"}, ("/reducer/type", "'rign'", "recursive_doubling, ring,")),
                               ({"reducer.servers": -1}, ("/reducer/servers", "-1")),
                               ({"compute.device": "tpu"}, ("tpu", "cuda"))):
            with self.subTest(changes=changes):
                workers = ("3",) if "choose solver.shards" in words else ("1", "3")
                for count in workers:
                    self.check(train("--workers", count, "--output", self.output, changes=changes), BAD_CONFIG, *words)
        self.check(train("--workers", "2", changes={"reducer.type": "local"}), BAD_CONFIG, "'local'", "'auto' or 'tree'")


class Nets(BadInput):
    """Errors that only show when the net is built: the layer, both shapes, and its place in the net's own file.
    The batch is 1 where only a look is taken and a shard's where it is trained."""
    CONFIG = {"data": {"train": {"type": "synthetic", "shape": [3, 8, 8], "count": 32, "classes": 10}},
              "net": "net.json", "solver": {"base_lr": 0.1, "max_iter": 2, "global_batch": 4, "shards": 2}}
    CONV = '{"name": "conv", "type": "Convolution", "num_output": 4, "kernel_size": 3}'
    FC = '{"name": "fc", "type": "InnerProduct", "num_output": 10}'
    LOSS = '{"name": "loss", "type": "SoftmaxWithLoss"}'

    def write(self, layers):
        """Layer i is at line i + 3 of net.json."""
        config, net = self.directory / "config.json", self.directory / "net.json"
        config.write_text(json.dumps(self.CONFIG))
        net.write_text('{\n  "layers": [\n    ' + ",\n    ".join(layers) + "\n  ]\n}\n")
        return config, net

    def check_layers(self, index, *words, layers):
        config, net = self.write(layers)
        name = json.loads(layers[index])["name"]
        for command in (("check", config), ("train", config, "--output", self.output),
                        ("train", config, "--output", self.output, "--workers", "2")):
            with self.subTest(layers=layers, command=command):
                found = self.check(run(*command), BAD_CONFIG, f"'{name}'", *words)
                self.assertIn(f" {net}:{index + 3}:", found.errors()[0])
                self.assertIn(f": /layers/{index}", found.errors()[0])

    def test_shapes_that_do_not_fit(self):
        self.check_layers(0, "11x11", "x3x8x8", "smaller kernel",
                          layers=[self.CONV.replace('"kernel_size": 3', '"kernel_size": 11'), self.LOSS])
        self.check_layers(0, "group 2", "3 channels", "x3x8x8", "num_output 4", "divisor of both",
                          layers=[self.CONV.replace("}", ', "group": 2}'), self.LOSS])
        self.check_layers(1, "x4x6x6", "x3x8x8", "must agree",
                          layers=[self.CONV, '{"name": "join", "type": "Concat", "bottom": ["conv", "data"]}', self.FC,
                                  self.LOSS])
        self.check_layers(1, "x4x6x6", "labels ", "one label for each", layers=[self.CONV, self.LOSS])
        self.check_layers(1, "predictions are ", "x10", "targets ",
                          layers=[self.FC, '{"name": "far", "type": "EuclideanLoss"}', self.LOSS])
        self.check_layers(1, "has 4 elements", "10 classes need 100",
                          layers=[self.FC, '{"name": "gain", "type": "InfogainLoss", "infogain_matrix": [1, 0, 0, 1]}'])
        self.check_layers(0, "group 2", "x3x8x8", "num_output 4",
                          layers=['{"name": "up", "type": "Deconvolution", "num_output": 4, "kernel_size": 2, '
                                  '"group": 2}', self.FC, self.LOSS])

    def test_graphs_that_are_none(self):
        fc, loss = self.FC.replace("}", ', "bottom": "%s"}'), self.LOSS
        self.check_layers(1, "bottom 'conf'", "nobody writes", "conv, data, label",
                          layers=[self.CONV, fc % "conf", loss])
        self.check_layers(0, "bottom 'fc'", "cycle",
                          layers=[self.CONV.replace("}", ', "bottom": "fc"}'), fc % "conv", loss])
        self.check_layers(0, "bottom 'fc'", "itself", "cycle", layers=[fc % "fc", loss])
        self.check_layers(1, "duplicate layer name", "layers/0", layers=[self.CONV, self.CONV, self.FC, loss])
        self.check_layers(1, "reads one blob", "not 2",
                          layers=[self.CONV, self.FC.replace("}", ', "bottom": ["conv", "data"]}'), loss])
        self.check_layers(1, "reads two blobs", "the scores and the labels", "not 1",
                          layers=[self.FC, loss.replace("}", ', "bottom": ["fc"]}')])

    def test_overrides(self):
        config, _ = self.write([self.CONV, self.FC, self.LOSS])
        layer = self.CONV.replace('"kernel_size": 3', '"kernel_size": 11')
        self.check(run("check", config, "--set", "net.layers.0=" + layer), BAD_CONFIG, "--set net.layers.0=",
                   ": /net/layers/0: layer 'conv'", "x3x8x8")

    def test_a_label_out_of_range(self):
        for loss in ("SoftmaxWithLoss", "HingeLoss"):
            config, net = self.write([self.FC.replace("10", "2"), self.LOSS.replace("SoftmaxWithLoss", loss)])
            self.check(run("train", config, "--output", self.output), BAD_DATA, f" {net}:4:",
                       ": /layers/1: layer 'loss': label ", " of sample ", "[0, 2)", "more outputs")


class CommandLine(BadInput):
    def test_set(self):
        for setting, words in (("solver.base_lr", ("--set solver.base_lr", "=")),
                               ("solver.base_rl=1", ("/solver/base_rl", "did you mean 'base_lr'")),
                               ("solver.base_lr=fast", ("/solver/base_lr", "expected a number")),
                               ("=1", ("--set =1",))):
            with self.subTest(setting=setting):
                self.check_with_workers(BAD_CONFIG, *words, arguments=("--set", setting))

    def test_flags(self):
        for arguments, words in ((("train", EXAMPLE, "--wrokers", "2"), ("--wrokers", "--help")),
                                 (("train", EXAMPLE, "--workers", "0"), ("--workers",)),
                                 (("train", EXAMPLE, "--workers", "two"), ("--workers",)),
                                 (("train",), ("config",)),
                                 (("trian", EXAMPLE), ("--help",)),
                                 (("test", EXAMPLE), ("--weights FILE", "--output DIR")),
                                 ((), ("--help",))):
            with self.subTest(arguments=arguments):
                self.check(run(*arguments), USAGE, *words)

    def test_files_that_are_not_there(self):
        self.check(run("train", self.directory / "none.json"), MISSING, "none.json", "check the path")
        self.check_with_workers(MISSING, "none.gz", "check the path", changes={"data.train.images": "/none.gz"})
        self.check(run("test", EXAMPLE, *settings(), "--weights", self.directory / "none.safetensors"), MISSING,
                   "none.safetensors")
        self.check(run("test", EXAMPLE, *settings(), "--output", self.output), MISSING, str(self.output), "train first")

    def test_check_without_data(self):
        elsewhere = ("check", EXAMPLE, "--set", "data.train.images=/none.gz")
        self.check(run(*elsewhere), MISSING, "none.gz", "--without-data")
        self.check(run(*elsewhere, "--without-data"), BAD_CONFIG, "/data/train", "--image-shape")
        self.check(run(*elsewhere, "--image-shape", "1x28x28"), USAGE, "--without-data")
        self.check(run(*elsewhere, "--without-data", "--image-shape", "1x28"), USAGE, "--image-shape")
        self.check(run(*elsewhere, "--without-data", "--image-shape", "1x20x20"), BAD_CONFIG, "crop_size 28", "22x22")
        found = run(*elsewhere, "--without-data", "--image-shape", "1x28x28").wait()
        self.assertEqual(found.status, 0, str(found))
        self.assertIn("154186 parameters", found.out)
        ten_crops = ("--set", "data.transform.test_crops=10", "--set", "data.transform.pad=0")
        made_up = [x for name in ("train", "test") for x in
                   ("--set", f'data.{name}={{"type": "synthetic", "shape": [1, 28, 28]}}')]
        for where in (("check", EXAMPLE, *made_up), (*elsewhere, "--without-data", "--image-shape", "1x28x28")):
            self.check(run(*where, *ten_crops), BAD_CONFIG, "test_crops 10", "28x28 is the whole image")
        for shape in ("1x28", "28", "1x28x28x1", "1x-28x28", "1x28x0"):
            self.check(run(*elsewhere, "--without-data", "--image-shape", shape), USAGE, f"--image-shape '{shape}'",
                       "3x224x224")
        self.check(run(*elsewhere, "--without-data", "--image-shape", "3x99999x99999"), USAGE, "3x99999x99999",
                   "2147483647")

    def test_models(self):
        net = EXAMPLE.parent / "net.json"
        for command in ("analyze", "time"):
            with self.subTest(command=command):
                self.check(run(command), USAGE, "model")
                self.check(run(command, self.directory / "none.json"), MISSING, "none.json", "check the path")
                self.check(run(command, EXAMPLE, "--set", "data.train.images=/none.gz"), MISSING, "none.gz", "--input")
                self.check(run(command, net, "--set", "layers.0.num_output=0"), BAD_CONFIG, "/layers/0/num_output")
                self.check(run(command, net, "--input", "1x2x2"), BAD_CONFIG, "64x1x1", "layer")
                self.check(run(command, net, "--batch", "0"), USAGE, "--batch")
                for shape in ("28x28", "1x28x28x", "1x28x-28", "0x28x28", "one", "1x28x28x1"):
                    self.check(run(command, net, "--input", shape), USAGE, f"--input '{shape}'", "3x224x224")
                self.check(run(command, net, "--input", "3x99999x99999"), USAGE, "--input", "2147483647")
                self.check(run(command, net, "--input", "1x40000x40000", "--batch", "16777216"), USAGE, "16777216",
                           "1099511627776", "--batch")
        self.check(run("time", net, "--input", "1x28x28", "--json", self.directory / "nowhere" / "x.json"), IO, "x.json",
                   "--json")
        self.check(run("analyze", net, "--phase", "tset"), USAGE, "--phase", "tset")
        self.check(run("analyze", net, "--rule", "mine"), USAGE, "--rule", "mine")
        self.check(run("analyze", net, "--svg", self.directory / "nowhere" / "net.svg"), IO, "net.svg")
        self.check(run("time", net, "--iterations", "0"), USAGE, "--iterations")
        self.check(run("time", net, "--threads", "none"), USAGE, "--threads")


class Data(BadInput):
    def cut(self, name, size, unpack=False):
        path = self.directory / name.replace(".gz", "" if unpack else ".gz")
        source = FASHION_MNIST / name
        with gzip.open(source) if unpack else source.open("rb") as whole:
            path.write_bytes(whole.read(size))
        return path

    def test_files_that_were_cut(self):
        for size, unpack in ((100_000, False), (100_000, True), (10, True), (0, True)):
            with self.subTest(size=size, unpacked=unpack):
                path = self.cut(IMAGES, size, unpack)
                self.check_with_workers(BAD_DATA, str(path), "expected", "found", "fetch the file again",
                                        changes={"data.train.images": str(path)})

    def test_files_that_do_not_belong_together(self):
        self.check_with_workers(BAD_DATA, "60000", "10000", "two files of the same set",
                                changes={"data.train.labels": str(FASHION_MNIST / "t10k-labels-idx1-ubyte.gz")})
        self.check_with_workers(BAD_DATA, "not an IDX file", changes={"data.train.images": str(EXAMPLE)})
        self.check_with_workers(BAD_DATA, "images have", changes={"data.train.images": str(FASHION_MNIST / LABELS)})


class Checkpoints(BadInput):
    RUN = {"output.checkpoint_interval": 4}

    def setUp(self):
        super().setUp()
        self.reference = self.trained(output=self.output, changes=self.RUN)
        (self.output / "summary.json").unlink()
        self.older, self.newer = sorted((self.output / "checkpoints").glob("iter_*"))

    def damage(self, checkpoint, name="model.safetensors"):
        path = checkpoint / name
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        return path

    def test_an_older_one_is_used_instead(self):
        path = self.damage(self.newer)
        running = self.assert_done(train("--workers", "2", "--resume", "--output", self.output, changes=self.RUN))
        warnings = [line for line in running.err.splitlines() if "warning: " in line]
        self.assertEqual(len(warnings), 1, str(running))
        self.assertIn(str(path), warnings[0])
        found = json.loads((self.output / "summary.json").read_text())
        self.assertEqual(found["resumed_from"], 8)
        self.assertEqual(found["parameters_digest"], self.reference["parameters_digest"])

    def test_a_damaged_model_is_not_tested(self):
        path = self.damage(self.newer)
        self.check(run("test", EXAMPLE, *settings(), "--weights", path), BAD_DATA, str(path), "is damaged",
                   str(self.older))
        done = run("test", EXAMPLE, *settings(), "--output", self.output)
        self.assertEqual(done.status, 0, str(done))
        self.assertIn(str(self.older), done.out)

    def test_nobody_starts_from_the_beginning_unawares(self):
        self.damage(self.older, "state.json")
        self.damage(self.newer, "solver.safetensors")
        self.check_with_workers(BAD_DATA, str(self.newer), "put back a copy", arguments=("--resume",), changes=self.RUN)
        self.assertEqual(sorted((self.output / "checkpoints").glob("iter_*")), [self.older, self.newer])

    def test_a_checkpoint_of_another_net(self):
        net = json.loads((EXAMPLE.parent / "net.json").read_text())
        net["layers"][0]["num_output"] = 16
        other = self.directory / "net.json"
        other.write_text(json.dumps(net))
        failed = train("--resume", "--output", self.output, changes={**self.RUN, "net": str(other)})
        self.check(failed, BAD_DATA, "cccp1.weight", "32x16x1x1", "belongs to another net")
        self.check(run("test", EXAMPLE, *settings({"net": str(other)}), "--weights", self.newer / "model.safetensors"),
                   BAD_DATA, "cccp1.weight", "32x16x1x1", "belongs to another net")


class Ranks(BadInput):
    def check_ranks(self, ranks, status, *words):
        for rank, running in enumerate(ranks):
            self.check(running, status, f"firecaffe: rank {rank}: error: ", *words)

    def test_different_configs(self):
        port = free_port()
        ranks = [train("--output", self.output, environment=by_hand(rank, 2, port), changes={"solver.base_lr": rate})
                 for rank, rate in enumerate((0.125, 0.25))]
        self.check_ranks(ranks, BAD_CONFIG, "/solver/base_lr", "0.125", "0.25")

    def test_encryption_on_one_side(self):
        for mine in ("none", "tls"):
            port = free_port()
            ranks = [train("--output", self.output, environment=by_hand(rank, 2, port),
                           changes={"reducer.encryption": encryption})
                     for rank, encryption in enumerate((mine, "tls" if mine == "none" else "none"))]
            self.check_ranks(ranks, BAD_CONFIG, "disagree about encryption", "rank 1 (host", "'tls'", "'none'")

    def test_wrong_token(self):
        port = free_port()
        ranks = train_ranks([by_hand(rank, 2, port, FIRECAFFE_TOKEN=str(rank) * 64) for rank in (0, 1)], "--output",
                            self.output)
        self.check_ranks(ranks, UNAVAILABLE, "token")

    def test_token_that_is_none(self):
        ranks = train_ranks([by_hand(rank, 2, free_port(), FIRECAFFE_TOKEN="secret") for rank in (0, 1)])
        self.check_ranks(ranks, UNAVAILABLE, "token", "openssl rand -hex 32")
        for running in ranks:
            self.assertNotIn("secret", running.err)

    def test_port_in_use(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            ranks = train_ranks([by_hand(0, 2, port)])
            self.check_ranks(ranks, UNAVAILABLE, f"127.0.0.1:{port}", "in use")

    def test_a_rank_that_does_not_come(self):
        for rank, missing in ((0, "rank 1 of 2 did not join"), (1, "rank 1 could not join")):
            with self.subTest(rank=rank):
                port = free_port()
                running = train(environment=by_hand(rank, 2, port, FIRECAFFE_RENDEZVOUS_SECONDS="1"))
                self.check(running, UNAVAILABLE, f"rank {rank}: error: ", missing, f"127.0.0.1:{port}", "within 1 s")

    def test_asked_to_stop_while_waiting_for_others(self):
        for rank in (0, 1):
            running = train(environment=by_hand(rank, 2, free_port(), FIRECAFFE_RENDEZVOUS_SECONDS="60"))
            wait_until(lambda: catches(running.pid, signal.SIGTERM), 60, "the start", running)
            running.process.terminate()
            self.check(running, TRY_AGAIN, "stopped as asked before all workers had met", "start again")
            self.assertLess(running.seconds, 10)

    def test_ranks_that_cannot_be(self):
        for variables, word in (({"FIRECAFFE_RANK": "2", "FIRECAFFE_WORLD_SIZE": "2"}, "FIRECAFFE_RANK=2"),
                                ({"FIRECAFFE_RANK": "0"}, "FIRECAFFE_WORLD_SIZE"),
                                ({"FIRECAFFE_RANK": "zero", "FIRECAFFE_WORLD_SIZE": "2"}, "'zero'"),
                                ({"FIRECAFFE_RANK": "0", "FIRECAFFE_WORLD_SIZE": "2"}, "FIRECAFFE_RENDEZVOUS")):
            with self.subTest(variables=variables):
                self.check(train(environment=variables), USAGE, word)


class Outputs(BadInput):
    def test_directories_that_cannot_be_written(self):
        (self.directory / "file").write_text("not a directory")
        for workers in ("1", "3"):
            with self.subTest(workers=workers):
                self.check(train("--workers", workers, "--output", self.directory / "file" / "run"), IO,
                           str(self.directory / "file" / "run"), "--output")
                self.check(train("--workers", workers, "--json", self.directory / "none" / "x.json"), IO, "x.json",
                           "--json")

    def test_ranks_hear_of_a_directory_that_cannot_be_written(self):
        port = free_port()
        (self.directory / "file").write_text("not a directory")
        first, second = train_ranks([by_hand(rank, 2, port) for rank in (0, 1)], "--output",
                                    self.directory / "file" / "run")
        self.check(first, IO, "rank 0: error: ", "file/run")
        self.check(second, TRY_AGAIN, "rank 1: error: ", "rank 0 (host ", "gave up", "file/run")

    def test_a_run_that_diverges(self):
        """All workers come to it together; rank 0 says it, and the launcher who ended first. No checkpoint of it."""
        changes = {"solver.base_lr": 1e9, "solver.max_iter": 40, "output.checkpoint_interval": 1}
        for workers in (1, 3):
            with self.subTest(workers=workers):
                output = self.directory / str(workers)
                running = train("--workers", str(workers), "--output", output, changes=changes).wait()
                self.assertEqual(running.status, FAILED, str(running))
                said = [line for line in running.errors() if "not finite" in line or "the loss is" in line]
                self.assertEqual(len(said), 1, str(running))
                self.assertIn("Lower base_lr", said[0])
                self.assertRegex(said[0], r"after iteration \d+|at iteration \d+")
                others = [line for line in running.errors() if line not in said]
                self.assertEqual([bool(re.match(r"firecaffe: error: rank \d \(pid \d+\) exited with status 1", line))
                                  for line in others], [True] * (workers > 1), str(running))
                self.assert_nothing_half_written(output)
                for model in output.glob("checkpoints/*/model.safetensors"):
                    self.assert_finite(model)

    def assert_finite(self, model):
        data = model.read_bytes()
        header = int.from_bytes(data[:8], "little")
        values = array.array("f", data[8 + header:])
        self.assertTrue(all(value - value == 0 for value in values), f"{model} has values that are not finite")


if __name__ == "__main__":
    main()
