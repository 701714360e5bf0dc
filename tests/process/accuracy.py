#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`firecaffe test`: a trained model's top-1 and top-5, judged by the centre of each image and by ten crops of it."""
import json

from harness import EXAMPLE, ProcessTest, main, run, settings

CROPPED = {"data.transform.pad": 0, "data.transform.crop_size": 24}


class Accuracy(ProcessTest):
    def judged(self, *arguments, changes=None):
        """What is printed, and the figures of --json."""
        figures = self.directory / "figures.json"
        done = self.assert_done(run("test", EXAMPLE, *settings({**CROPPED, **(changes or {})}), "--output",
                                    self.directory / "run", "--json", figures, *arguments))
        return done.out, json.loads(figures.read_text())

    def test_one_crop_and_ten(self):
        trained = self.trained(output=self.directory / "run", changes=CROPPED)
        out, centre = self.judged()
        self.assertIn(f"top-1 {100 * trained['test_top1']:.2f} %, top-5 {100 * trained['test_top5']:.2f} %", out)
        self.assertIn("on 100 images in", out)
        self.assertEqual((centre["crops"], centre["images"]), (1, 100))
        for key in ("test_loss", "test_top1", "test_top5"):
            self.assertEqual(centre[key], trained[key], key)
        self.assertEqual(self.judged("--crops", "1", changes={"data.transform.test_crops": 10})[1]["crops"], 1)

        out, ten = self.judged("--crops", "10")
        self.assertIn("on 100 images of 10 crops in", out)
        self.assertEqual((ten["crops"], ten["images"]), (10, 100))
        self.assertNotEqual(ten["test_loss"], centre["test_loss"])
        self.assertGreaterEqual(ten["test_top5"], ten["test_top1"])
        again = self.judged("--threads", "2", changes={"data.transform.test_crops": 10})[1]
        for key in ("test_loss", "test_top1", "test_top5"):
            self.assertEqual(again[key], ten[key], key)


if __name__ == "__main__":
    main()
