"""Checks models and runs them in ONNX Runtime.

The one argument is a folder with cases.json, a list of cases: the name of a model,
its input and its outputs, each with name, shape, and the values that the library
had there. It prints, for each case, the largest difference from these, divided by
the largest value. Every model also runs on its images twice over.
"""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

folder = pathlib.Path(sys.argv[1])


def values(v):
    return np.fromfile(folder / v["file"], np.float32).reshape(v["shape"])


for case in json.loads((folder / "cases.json").read_text()):
    file = folder / case["model"]
    onnx.checker.check_model(str(file), full_check=True)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    x = values(case["input"])
    worst = 0.0
    for times in 1, 2:
        got = session.run(None, {case["input"]["name"]: np.concatenate([x] * times)})
        assert [o.name for o in session.get_outputs()] == [o["name"] for o in case["outputs"]]
        for have, output in zip(got, case["outputs"], strict=True):
            want = np.concatenate([values(output)] * times)
            assert have.shape == want.shape, (case["model"], have.shape, want.shape)
            assert np.isfinite(have).all() and np.isfinite(want).all(), case["model"]
            worst = max(worst, float(abs(have - want).max() / max(abs(want).max(), 1e-30)))
    print(json.dumps({"model": case["model"], "difference": worst, "bytes": file.stat().st_size}))
