# SPDX-License-Identifier: Apache-2.0
"""What this machine has: a GPU, the libraries that our programs load, PyTorch, tools. Prints one JSON object. Its
`paths` are for the stages that follow; the rest is fit to be published.
"""
import argparse
import ctypes
import glob
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench")]

from common import commit, machine  # noqa: E402

ATTRIBUTES = {"multiprocessors": 16, "l2_bytes": 38, "major": 75, "minor": 76}  # CUdevice_attribute
NVIDIA_SMI = ("name", "driver_version", "memory.total", "clocks.max.sm", "clocks.max.memory", "power.limit",
              "mig.mode.current", "vbios_version")
# How a library tells its version, and what its digits mean.
VERSIONS = {"cudnn": ("libcudnn.so", "cudnnGetVersion", lambda n: (n // 10000, n // 100 % 100, n % 100)),
            "cublasLt": ("libcublasLt.so", "cublasLtGetVersion", lambda n: (n // 10000, n // 100 % 100, n % 100)),
            "nccl": ("libnccl.so", "ncclGetVersion", lambda n: (n // 10000, n // 100 % 100, n % 100))}
ASK_TORCH = """
import json, sysconfig, torch
def of(look):
    try:
        return look()
    except Exception:
        return None
print(json.dumps({"torch": torch.__version__, "torch_cuda": torch.version.cuda,
                  "torch_cudnn": of(torch.backends.cudnn.version), "torch_nccl": of(torch.cuda.nccl.version),
                  "wheels": sysconfig.get_path("purelib")}))
"""


def output_of(*command, environment=None):
    """What a command prints; nothing, if it cannot run or fails."""
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def driver():
    """What the driver says, asked as CUDA's runtime asks it: (version of CUDA, GPUs, why there is none)."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None, [], "there is no NVIDIA driver (libcuda.so.1)"
    version, count, gpus = ctypes.c_int(0), ctypes.c_int(0), []
    cuda.cuDriverGetVersion(ctypes.byref(version))
    status = cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count))
    if status or count.value == 0:
        return None, [], f"the driver shows none (error {status})" if status else "the driver shows none"
    for i in range(count.value):
        device, name, size, value = ctypes.c_int(), ctypes.create_string_buffer(100), ctypes.c_size_t(), ctypes.c_int()
        cuda.cuDeviceGet(ctypes.byref(device), i)
        cuda.cuDeviceGetName(name, len(name), device)
        cuda.cuDeviceTotalMem_v2(ctypes.byref(size), device)
        of = {}
        for key, number in ATTRIBUTES.items():
            cuda.cuDeviceGetAttribute(ctypes.byref(value), number, device)
            of[key] = value.value
        gpus.append({"name": name.value.decode(), "compute_capability": f"{of.pop('major')}.{of.pop('minor')}",
                     "memory_gib": round(size.value / 2**30, 1), **of})
    return f"{version.value // 1000}.{version.value % 1000 // 10}", gpus, ""


def nvidia_smi():
    """Driver, clocks and limits of each GPU as nvidia-smi has them, where it is there."""
    lines = output_of("nvidia-smi", "--query-gpu=" + ",".join(NVIDIA_SMI), "--format=csv,noheader").splitlines()
    return [dict(zip(NVIDIA_SMI, (value.strip() for value in line.split(",")))) for line in lines]


def find_torch():
    """The interpreter that has PyTorch, one with CUDA before others, and what it says of itself."""
    found = ("", {})
    for python in dict.fromkeys((sys.executable, shutil.which("python3") or "", "/usr/bin/python3")):
        answer = output_of(python, "-c", ASK_TORCH) if python else ""
        if answer and not found[1].get("torch_cuda"):
            told = json.loads(answer)
            found = (python, told) if told["torch_cuda"] or not found[0] else found
    return found


def library_folders(carried, wheels):
    """Where libraries may lie beside what the loader searches."""
    toolkits = [f"{home}/lib64" for home in (os.environ.get("CUDA_HOME"), "/usr/local/cuda") if home]
    named = [carried, *toolkits, *sorted(glob.glob(f"{wheels}/nvidia/*/lib"))]
    return [folder for folder in named if folder and os.path.isdir(folder)]


def loaded_by(programs, environment):
    """Where our programs find each library that they need: by its name a path, or nothing."""
    found = {}
    for program in programs:
        for line in output_of("ldd", program, environment=environment).splitlines():
            if match := re.match(r"\s*(\S+) => (not found|\S+)", line):
                found[match[1]] = "" if match[2] == "not found" else match[2]
    return found


def version_of(library, function, digits, loaded, folders):
    """Of the library that our programs load, or else of one that they would find."""
    paths = [path for name, path in loaded.items() if name.startswith(library + ".") and path]
    for folder in folders:
        paths += sorted(glob.glob(f"{folder}/{library}.*"))
    for path in paths:
        try:
            ask = getattr(ctypes.CDLL(path), function)
        except (OSError, AttributeError):
            continue
        number = ctypes.c_int()
        if function.startswith("nccl"):
            ask(ctypes.byref(number))
        else:
            ask.restype = ctypes.c_size_t
            number.value = ask()
        return ".".join(map(str, digits(number.value)))
    return None


def find_nccl(folders):
    """The library for the reducer nccl, which no program of ours is linked with."""
    named = [os.environ["FIRECAFFE_NCCL_LIBRARY"]] if os.environ.get("FIRECAFFE_NCCL_LIBRARY") else []
    return next(iter(named + [path for folder in folders for path in sorted(glob.glob(f"{folder}/libnccl.so.2*"))]), "")


def find_sanitizer():
    homes = [home for home in (os.environ.get("CUDA_HOME"), *sorted(glob.glob("/usr/local/cuda*"))) if home]
    places = [f"{home}/{folder}/compute-sanitizer" for home in homes for folder in ("bin", "compute-sanitizer")]
    return shutil.which("compute-sanitizer") or next((place for place in places if os.access(place, os.X_OK)), "")


def look(carried, programs):
    cuda_version, gpus, no_gpu = driver()
    python, torch = find_torch()
    folders = library_folders(carried, torch.pop("wheels", ""))
    search = [os.environ.get("LD_LIBRARY_PATH", "")] if os.environ.get("LD_LIBRARY_PATH") else []
    # Our programs know where the libraries lay that they were built with. Elsewhere they are helped, and only they:
    # PyTorch finds its own.
    unhelped = loaded_by(programs, {})
    helped = "" if all(unhelped.values()) else ":".join(search + folders)
    loaded = loaded_by(programs, {"LD_LIBRARY_PATH": helped}) if helped else unhelped
    versions = {name: version_of(*how, loaded, folders) for name, how in VERSIONS.items()}
    return {"gpus": gpus, "no_gpu": no_gpu, "nvidia_smi": nvidia_smi(),
            "versions": {"driver_cuda": cuda_version, **versions, **torch, "python": sys.version.split()[0]},
            "not_found": sorted(name for name, path in loaded.items() if not path),
            "machine": machine(), "commit": commit(),
            "paths": {"torch_python": python if torch.get("torch_cuda") else "", "sanitizer": find_sanitizer(),
                      "libraries": helped, "nccl": find_nccl(folders)}}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--libraries", default="", help="a folder with libraries for our programs")
    parser.add_argument("programs", nargs="*", help="ours; those that were not built are left out")
    a = parser.parse_args()
    print(json.dumps(look(a.libraries, [program for program in a.programs if os.path.exists(program)])))


if __name__ == "__main__":
    main()
