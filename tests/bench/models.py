#!/usr/bin/env python3
"""Runs gnomon-eval over recorded data and prints one JSON object: how good the coordinator's models are.

The data, its scorers included, is a folder that is not part of this repository: GNOMON_MODEL_DATA, or shared/data beside
the checkout. Without it a small sample that is made up here (fixed seed) shows that everything runs, "data" says so, and
figures that need recorded data are null.  Usage: bench-models [--days N] [--data FOLDER]  (progress on standard error)"""

import argparse
import csv
import importlib.util
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time

CHECKOUT = "@CMAKE_SOURCE_DIR@"
EVAL = "@CMAKE_RUNTIME_OUTPUT_DIRECTORY@/gnomon-eval"
FORECAST = "@CMAKE_RUNTIME_OUTPUT_DIRECTORY@/bench-forecast"


# Of others on the same public data, as its README files have them: published detectors and forecasts, or measured with the
# same scorers.
PEERS = {
    "nab.standard": {"ARTime": 75.02, "Numenta": 70.63, "contextOSE": 69.29, "windowed Gaussian": 39.46},
    "nab.low_fp": {"ARTime": 66.71, "Numenta": 63.61, "contextOSE": 67.06, "windowed Gaussian": 21.48},
    "nab.low_fn": {"ARTime": 80.43, "Numenta": 75.0, "contextOSE": 72.44, "windowed Gaussian": 46.75},
    "ms_cloud.standard": {"robust z of step and time of day": 73.3, "windowed Gaussian": 34.9},
    "m4_hourly.owa": {"median of five": 0.526, "seasonal naive": 0.645, "MSTL and ETS": 0.657,
                      "best published, all series": 0.410},
    "m4_hourly.msis": {"median of five": 9.549, "seasonal naive": 9.532, "MSTL and ETS": 11.217,
                       "best published, all series": 6.139},
    "m4_hourly.acd": {"best published, all series": 0.002},
    "workloads.owa": {"combination of five": 0.880, "Naive2": 1},
    "workloads.msis": {"combination of five": 5.20},
    "canary.score": {"Mann-Whitney and tail count": 80.51, "Cramer-von Mises": 78.19, "Kayenta's default": 73.39},
    "canary.tail_recall": {"Mann-Whitney and tail count": 46, "Cramer-von Mises": 9, "Kayenta's default": 3},
    "canary.aa_false_alarms": {"Mann-Whitney and tail count": 0.6, "Cramer-von Mises": 0.36, "Kayenta's default": 0.12},
    "capacity.max_rps_median_error": {"hyperbola, C from utilisation": 4.0, "M/M/c tail": 8.1},
    "capacity.within_10": {"hyperbola, C from utilisation": 0.81, "M/M/c tail": 0.62},
    "capacity.over_by_5": {"hyperbola, C from utilisation": 0.31, "M/M/c tail": 0.62},
    "capacity.p99_90": {"hyperbola, C from utilisation": 12.4, "M/M/c tail": 55.5},
}
HALVINGS = 20
PROFILES = {"standard": "standard", "low_fp": "reward_low_FP_rate", "low_fn": "reward_low_FN_rate"}


class Failed(Exception):
    pass


def run(*command):
    """Standard output of a command."""
    print("+ " + " ".join(command), file=sys.stderr)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{os.path.basename(command[0])} {' '.join(command[1:2])}: {done.stderr.strip()[-300:]}")
    return done.stdout


def scored(data, tool, work, *arguments):
    """What one of the data's scorers says, as JSON."""
    out = os.path.join(work, "score.json")
    run(sys.executable, os.path.join(data, "tools", tool), *arguments, "--json", out)
    with open(out, encoding="utf-8") as file:
        return json.load(file)


def number_before(text, unit):
    """The number in front of `unit` in a program's output."""
    words = text.replace(",", " ").split()
    return float(words[words.index(unit) - 1])


def part_of(corpus, files):
    """What the scorer makes of these files only."""
    part = object.__new__(type(corpus))
    part.files, chosen = files, set(files)
    part.rows = [row for row in corpus.rows if row[1] in chosen]
    part.meta = {name: corpus.meta[name] for name in files}
    part.nwin = sum(len(part.meta[name]["starts"]) for name in files)
    return part


def cross_validated(data, results, windows):
    """Scores with the threshold from one random half of the files on the other half: means over halvings, by profile."""
    spec = importlib.util.spec_from_file_location("nab_score", os.path.join(data, "tools", "nab_score.py"))
    scorer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scorer)
    with open(windows, encoding="utf-8") as file:
        corpus = scorer.Corpus(results, json.load(file))
    chance, sums = random.Random(1), dict.fromkeys(PROFILES, 0.0)
    for _ in range(HALVINGS):
        files = chance.sample(corpus.files, len(corpus.files))
        halves = [part_of(corpus, sorted(files[side::2])) for side in (0, 1)]
        for key, profile in PROFILES.items():
            raws = [there.score(profile, here.best_threshold(profile)[0]) for here, there in (halves, halves[::-1])]
            # Both halves together, so that a half with few windows counts for few.
            null = -scorer.PROFILES[profile]["fn"] * corpus.nwin
            sums[key] += 100 * (sum(one["raw"] for one in raws) - null) / (corpus.nwin - null)
    return {key: round(total / HALVINGS, 2) for key, total in sums.items()}


def anomalies(data, work):
    figures = {}
    for name in ("nab", "ms_cloud"):
        folder, results = os.path.join(data, name), os.path.join(work, name)
        windows = os.path.join(folder, "windows.json")
        output = run(EVAL, "detect", "--in", os.path.join(folder, "data"), "--out", results)
        if name == "nab":
            figures["detect_us_per_point"] = number_before(output, "us")
        score = scored(data, "nab_score.py", work, "--results", results, "--windows", windows)
        halves = cross_validated(data, results, windows)
        for key, profile in PROFILES.items():
            figures[f"{name}.{key}"] = round(score[profile]["normalized"], 2)
            figures[f"{name}.{key}_cross_validated"] = halves[key]
    return figures


def forecasts(data, work):
    folder, out = os.path.join(data, "forecast", "m4_hourly"), os.path.join(work, "m4.csv")
    train, test = os.path.join(folder, "Hourly-train.csv"), os.path.join(folder, "Hourly-test.csv")
    run(EVAL, "forecast", "--train", train, "--out", out)
    result = scored(data, "forecast_score.py", work, "m4", "--train", train, "--test", test, "--forecast", out)["result"]
    figures = {"m4_hourly.owa": round(result["OWA"], 4), "m4_hourly.msis": round(result["MSIS"], 3),
               "m4_hourly.acd": round(result["ACD"], 4)}
    return {**figures, **workloads(os.path.join(data, "forecast", "workloads"), data, work)}


def workloads(folder, data, work):
    """Geometric means over the workloads, as the published peers are averaged; the mean of the coverage."""
    results = []
    for meta in sorted(name for name in os.listdir(folder) if name.endswith(".meta.json")):
        files = ["--series", os.path.join(folder, meta.replace(".meta.json", ".csv")), "--meta", os.path.join(folder, meta)]
        out = os.path.join(work, "rolling.csv")
        run(EVAL, "rolling", *files, "--out", out)
        results.append(scored(data, "forecast_score.py", work, "rolling", *files, "--forecast", out)["forecast"]["all"])
    figures = {f"workloads.{key.lower()}": round(math.exp(sum(math.log(one[key]) for one in results) / len(results)), 3)
               for key in ("OWA", "MSIS")}
    return {**figures, "workloads.coverage": round(sum(one["coverage"] for one in results) / len(results), 4)}


def forecast_costs():
    """Of the dearer of points every five minutes and every hour."""
    output = run(FORECAST)
    costs = [cost for cost in json.loads(output).values() if isinstance(cost, dict)]
    return {"forecast_us_per_point": max(cost["us_per_point"] for cost in costs),
            "forecast_ms": max(cost["forecast_ms"] for cost in costs), "forecast_kib": max(cost["kib"] for cost in costs)}


def capacity(data, work):
    folder, out = os.path.join(data, "capacity"), os.path.join(work, "capacity.csv")
    run(EVAL, "capacity", "--loadtests", os.path.join(folder, "loadtests"), "--questions",
        os.path.join(folder, "questions.json"), "--out", out)
    score = scored(data, "capacity_score.py", work, "--truth", os.path.join(folder, "truth.json"), "--pred", out)
    most = score["max_rps"]
    return {"capacity.max_rps_median_error": round(most["median_err_pct"], 2), "capacity.within_10": most["within10"],
            "capacity.over_by_5": most["over5"], "capacity.p99_90": round(score["p99_90"]["median_err_pct"], 2)}


def canaries(data, work):
    cases, out = os.path.join(data, "canary", "canary_public.json"), os.path.join(work, "canary.csv")
    run(EVAL, "judge", "--cases", cases, "--out", out)
    score = scored(data, "canary_score.py", work, "--cases", cases, "--decisions", out)
    return {"canary.score": score["score"], "canary.tail_recall": score["recall_tail"],
            "canary.aa_false_alarms": score["fpr_aa"]}


def rules(data, work):
    """How many of the classifications that the rule of rank intervals is published with ours gives, too."""
    cases, out = os.path.join(data, "canary", "kayenta_cases.json"), os.path.join(work, "rules.csv")
    run(EVAL, "judge", "--cases", cases, "--out", out)
    with open(cases, encoding="utf-8") as file:
        published = json.load(file)["classifier_cases"]
    with open(out, encoding="utf-8", newline="") as file:
        ours = list(csv.DictReader(file))
    right = 0
    for case, row in zip(published, ours):
        expected = case["expected"]
        same = row["classification"] == expected.get("classification", row["classification"])
        same = same and (row["critical"] == "true") == expected.get("critical", row["critical"] == "true")
        right += same
        if not same:
            print(f"{case['name']}: {row['classification']}, published {expected}", file=sys.stderr)
    return {"kayenta.classifications": f"{right} of {len(published)}"}


def sequential(days):
    output = run(EVAL, "sequential", "--days", str(days))
    share = float(output.split("largest share ")[1].split(",")[0])
    return {"judge.sequential": share, "judge.sequential_nominal": 0.05}


def sample_series(path, rows):
    noise = random.Random(1)
    with open(path, "w", encoding="utf-8") as file:
        file.write("timestamp,value\n")
        for row in range(rows):
            value = 50 + 20 * ((row % 288) / 288) + noise.gauss(0, 2) + (60 if row == rows // 2 else 0)
            file.write(f"{row * 300},{value:.4f}\n")


def sample_cases(path):
    noise, cases = random.Random(2), []
    for number in range(400):
        kind, n = ("aa", "shift20", "tail")[number % 3], (10, 30, 60)[number // 3 % 3]
        control = [noise.lognormvariate(0, 0.05) for _ in range(n)]
        treatment = [noise.lognormvariate(0, 0.05) for _ in range(n)]
        if kind == "shift20":
            treatment = [1.2 * value for value in treatment]
        if kind == "tail":
            treatment = [1.5 * value if noise.random() < 0.2 else value for value in treatment]
        cases.append({"id": str(number), "kind": kind, "direction_bad": "increase", "baseline": control,
                      "canary": treatment})
    with open(path, "w", encoding="utf-8") as file:
        json.dump(cases, file)
    return cases


def made_up(work):
    """Timings and the judge on made-up data; what needs recorded data stays null."""
    series = os.path.join(work, "series")
    os.makedirs(series)
    sample_series(os.path.join(series, "sample.csv"), 5000)
    output = run(EVAL, "detect", "--in", series, "--out", os.path.join(work, "scores"))
    figures = {"detect_us_per_point": number_before(output, "us")}
    cases, out = os.path.join(work, "cases.json"), os.path.join(work, "cases.csv")
    made = sample_cases(cases)
    run(EVAL, "judge", "--cases", cases, "--out", out)
    with open(out, encoding="utf-8", newline="") as file:
        answers = {row["id"]: row["classification"] for row in csv.DictReader(file)}
    for kind, key in (("aa", "canary.aa_false_alarms"), ("tail", "canary.tail_recall")):
        chosen = [case["id"] for case in made if case["kind"] == kind]
        figures[key] = round(100 * sum(answers[one] != "Pass" for one in chosen) / len(chosen), 2)
    return figures


KEYS = ("nab.standard nab.low_fp nab.low_fn "
        "nab.standard_cross_validated nab.low_fp_cross_validated nab.low_fn_cross_validated "
        "ms_cloud.standard ms_cloud.low_fp ms_cloud.low_fn "
        "ms_cloud.standard_cross_validated ms_cloud.low_fp_cross_validated ms_cloud.low_fn_cross_validated "
        "m4_hourly.owa m4_hourly.msis m4_hourly.acd workloads.owa workloads.msis workloads.coverage "
        "canary.score canary.tail_recall canary.aa_false_alarms "
        "capacity.max_rps_median_error capacity.within_10 capacity.over_by_5 capacity.p99_90 kayenta.classifications "
        "judge.sequential judge.sequential_nominal "
        "forecast_us_per_point forecast_ms forecast_kib detect_us_per_point").split()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=100, help="days to simulate of each kind of noise (100)")
    parser.add_argument("--data", help="folder of recorded data, before GNOMON_MODEL_DATA (which sudo drops)")
    arguments = parser.parse_args()
    data = arguments.data or os.environ.get("GNOMON_MODEL_DATA") or os.path.join(CHECKOUT, "..", "shared", "data")
    recorded = os.path.isdir(os.path.join(data, "tools"))
    figures, failures, began = dict.fromkeys(KEYS), [], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gnomon-models-") as work:
        parts = [anomalies, canaries, rules, forecasts, capacity] if recorded else [lambda _, folder: made_up(folder)]
        for part in [*parts, lambda _, __: sequential(arguments.days), lambda _, __: forecast_costs()]:
            try:
                figures.update(part(data, work))
            except (Failed, OSError, KeyError, ValueError, TypeError) as error:
                failures.append(str(error))
    source = "recorded" if recorded else "made up: no folder of recorded data (GNOMON_MODEL_DATA)"
    print(json.dumps({"benchmark": "models", "data": source, **figures, "peers": PEERS if recorded else {},
                      "seconds": round(time.monotonic() - began), "failures": failures}, indent=1))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
