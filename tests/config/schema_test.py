# SPDX-License-Identifier: Apache-2.0
"""Checks docs/firecaffe.schema.json with python3-jsonschema: it is a valid schema, admits our examples, refuses faults."""
import copy
import json
import pathlib
import sys

try:
    import jsonschema
except ImportError:
    print("SKIP: the Python package jsonschema is not installed (Debian: python3-jsonschema)")
    sys.exit(77)
if not hasattr(jsonschema, "Draft202012Validator"):
    print("SKIP: jsonschema is older than 4.0 and does not know draft 2020-12")
    sys.exit(77)

root = pathlib.Path(sys.argv[1])
schema = json.loads((root / "docs" / "firecaffe.schema.json").read_text(encoding="utf-8"))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
net_validator = jsonschema.Draft202012Validator({"$ref": "#/$defs/net", "$defs": schema["$defs"]})
faults = 0


def complain(*words):
    global faults
    faults += 1
    print("FAILED:", *words)


def is_config(value):
    return isinstance(value, dict) and "solver" in value and "data" in value


def is_net(value):
    return isinstance(value, dict) and "layers" in value and "solver" not in value


tested = 0
for path in sorted([*(root / "tests/config/valid").glob("*.json"), *(root / "examples").rglob("*.json")]):
    value = json.loads(path.read_text(encoding="utf-8"))
    if not (is_config(value) or is_net(value)):
        continue
    tested += 1
    for error in (validator if is_config(value) else net_validator).iter_errors(value):
        complain(path, error.json_path, error.message[:200])

good = json.loads((root / "tests/config/valid/synthetic.json").read_text(encoding="utf-8"))


def must_fail(words, change):
    value = copy.deepcopy(good)
    change(value)
    if validator.is_valid(value):
        complain("the schema admits", words)


must_fail("an unknown key", lambda c: c["solver"].update(base_ir=1))
must_fail("a missing base_lr", lambda c: c["solver"].pop("base_lr"))
must_fail("a momentum of 1", lambda c: c["solver"].update(momentum=1.0))
must_fail("a fraction of an iteration", lambda c: c["solver"].update(max_iter=1.5))
must_fail("step without stepsize", lambda c: c["solver"].update(lr_policy={"type": "step"}))
must_fail("a power of exp", lambda c: c["solver"].update(lr_policy={"type": "exp", "power": 1}))
must_fail("an unknown policy", lambda c: c["solver"].update(lr_policy="poli"))
must_fail("synthetic data without shape", lambda c: c["data"]["train"].pop("shape"))
must_fail("idx data without files", lambda c: c["data"].update(train={}))
must_fail("a data set with two extents", lambda c: c["data"]["train"].update(shape=[1, 2]))
must_fail("no layers", lambda c: c["net"].update(layers=[]))
must_fail("a layer without name", lambda c: c["net"]["layers"][0].pop("name"))
must_fail("a convolution without num_output", lambda c: c["net"]["layers"][0].pop("num_output"))
must_fail("a convolution without kernel", lambda c: c["net"]["layers"][0].pop("kernel_size"))
must_fail("an unknown layer key", lambda c: c["net"]["layers"][0].update(kernel=3))
must_fail("a filler's foreign key", lambda c: c["net"]["layers"][0].update(weight_filler={"type": "xavier", "std": 1}))
must_fail("a custom layer with an array", lambda c: c["net"]["layers"][0].update(type="Mine", kernel=[3]))
must_fail("a net that is a number", lambda c: c.update(net=5))

custom = copy.deepcopy(good)
custom["net"]["layers"].append({"name": "mine", "type": "Mine", "gain": 2.0, "mode": "fast", "on": True})
custom["net"]["layers"][0]["weight_filler"] = "msra"
for error in validator.iter_errors(custom):
    complain("a custom layer is refused:", error.message[:200])
other = {**good, "net": "net.json"}
for error in validator.iter_errors(other):
    complain("a net in its own file is refused:", error.message[:200])

print(f"{tested} configs and nets validated, {faults} faults")
sys.exit(1 if faults or tested < 2 else 0)
