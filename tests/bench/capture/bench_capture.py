#!/usr/bin/python3
"""What capture costs the service that is captured, and the agent, and what it loses.

Conditions are compared with the same load without the agent, interleaved within rounds whose order rotates; a figure is
the median over rounds of the ratio (or difference) within a round, with its quartiles. The service has one processor,
the agent and the load generator the other. Prints one JSON object on standard output, progress on standard error.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

import processes
from processes import Agent, Failed

# What the agent does: captures a share of the connections, or all of them and the first 4 KiB of each response.
CONDITIONS = {"0": ["--fraction", "0"], "5": ["--fraction", "0.05"], "100": ["--fraction", "1"],
              "100_and_responses": ["--fraction", "1", "--responses", "4096"]}


def say(text):
    print(f"bench-capture: {text}", file=sys.stderr, flush=True)


def spread(values):
    """Median and quartiles."""
    if len(values) < 2:
        return {"median": round(values[0], 4), "p25": None, "p75": None, "rounds": len(values)}
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": round(middle, 4), "p25": round(low, 4), "p75": round(high, 4), "rounds": len(values)}


def rotated(items, by):
    items = list(items)
    by %= len(items)
    return items[by:] + items[:by]


def warm_up(load):
    """Longer than the agent takes to see how much there is to measure, and to measure less of it: it decides once a second."""
    begin = time.monotonic()
    while time.monotonic() - begin < 2.2:
        load()


def cpu_per_request(service, load):
    warm_up(lambda: load(service))
    before = service.cgroup.cpu_us()
    requests = load(service)
    return (service.cgroup.cpu_us() - before) / requests


def with_agent(service, measure, *arguments):
    agent = Agent(service, *arguments)
    try:
        value = measure()
    finally:
        seen = agent.stop()
    return value, seen


def with_empty_programs(measure):
    programs = processes.EmptyPrograms()
    try:
        return measure()
    finally:
        programs.stop()


def measure_ratios(service, load, rounds, name):
    """CPU of the service per request in each condition, and with empty programs at the same tracepoints, which is the least that
    any can cost, over that without the agent; and the agent's own at 100%, without and with responses."""
    keys = ["empty", *CONDITIONS]
    ratios, own, plain = {key: [] for key in keys}, {"100": [], "100_and_responses": []}, []
    for number in range(rounds):
        round_us = {}
        for condition in rotated(["off", *keys], number):
            if condition == "off":
                round_us["off"] = cpu_per_request(service, load)
                continue
            if condition == "empty":
                round_us["empty"] = with_empty_programs(lambda: cpu_per_request(service, load))
                continue
            round_us[condition], seen = with_agent(service, lambda: cpu_per_request(service, load), *CONDITIONS[condition])
            if condition in own:
                own[condition].append(seen["cpu_us"] / max(1, seen["requests"]))
        plain.append(round_us["off"])
        for key in keys:
            ratios[key].append(round_us[key] / round_us["off"])
        say(f"{name} {number + 1}/{rounds}: {round_us['off']:.2f} us, " +
            ", ".join(f"{key}: x{ratios[key][-1]:.3f}" for key in keys) + f", agent {own['100'][-1]:.2f} us")
    return {"off_us": spread(plain), **{key: spread(values) for key, values in ratios.items()}}, own


def measure_p99(service, rounds, seconds):
    """Added p99 at half of what the service can do, its requests at random times."""
    begin = time.monotonic()
    rate = int(processes.h2load(service, 60000) / (time.monotonic() - begin) / 2)
    added, plain = [], []
    for number in range(rounds):
        values = {}
        for condition in rotated(["off", "100"], number):
            def run():
                processes.paced(service, rate, 3)  # see warm_up()
                return processes.paced(service, rate, seconds)["p99_us"]
            values[condition] = run() if condition == "off" else with_agent(service, run, "--fraction", "1")[0]
        plain.append(values["off"])
        added.append(values["100"] - values["off"])
        say(f"p99 {number + 1}/{rounds}: {values['off']} us, {added[-1]:+.1f} us at {rate} requests/s")
    return {"off_us": spread(plain), "added_us": spread(added), "requests_per_s": rate}


def measure_memory(service, connections):
    _, seen = with_agent(service, lambda: processes.ping(service, 4 * connections, connections), "--fraction", "1")
    if seen["sampled_connections"] != connections:
        raise Failed(f"{seen['sampled_connections']} of {connections} connections were sampled")
    return {key: round(seen[key], 1) for key in ("rss_mib", "anonymous_mib")}


def measure_lost(service, rate, seconds):
    """Requests answered by the service that did not reach the end of the framer."""
    answered, seen = with_agent(service, lambda: processes.h2load(service, rate * seconds, f"--rps={rate // 50}"),
                                "--fraction", "1")
    say(f"{answered} requests in {seconds} s: {seen['requests']} captured")
    return {"requests": answered, "lost": answered - seen["requests"], "lost_records": seen["lost_records"],
            "agent_us_per_request": round(seen["cpu_us"] / max(1, seen["requests"]), 3)}


def measure_overload(service, requests):
    """What a reader that is too slow for its ring loses, in bytes: counted by the probe, and really."""
    sent, seen = with_agent(service, lambda: processes.ping(service, requests, 20)["bytes"], "--fraction", "1", "--ring",
                            str(64 << 10), "--pause-ms", "300")
    real = sent - seen["delivered_bytes"]
    say(f"overload: {real} of {sent} bytes lost, {seen['lost_bytes']} counted")
    return {"sent_bytes": sent, "lost_bytes": real, "counted_bytes": seen["lost_bytes"],
            "error_bytes": seen["lost_bytes"] - real}


class Tcpdump:
    def __init__(self, service):
        # To standard output: of a file that it is given the name of, /dev/null too, it makes itself the owner.
        self.process = subprocess.Popen(["taskset", "-c", processes.OTHER_CPU, "tcpdump", "-i", "lo", "-s", "0", "-w", "-",
                                         "dst", "port", str(service.port)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        text=True)
        while "listening on" not in self.process.stderr.readline():
            if self.process.poll() is not None:
                raise Failed("tcpdump did not start")

    def stop(self):
        """CPU in microseconds and packets dropped by the kernel."""
        self.process.terminate()
        report = self.process.stderr.read()
        _, _, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = 0
        return (usage.ru_utime + usage.ru_stime) * 1e6, int(re.search(r"(\d+) packets? dropped by kernel", report)[1])


class CountedLoad:
    """h2load's at a bounded rate, as of more than one processor can replay beside generating it some would be shed; and how many
    requests it was in all."""

    def __init__(self, requests, rate):
        self.requests, self.rate, self.sent = requests, rate, 0

    def __call__(self, service):
        answered = processes.h2load(service, self.requests, f"--rps={self.rate // 50}")
        self.sent += answered
        return answered


def measure_peers(plain, mirrored, sink, rounds, requests, rate=30000):
    """Everything that each does with every request: Gnomon captures and replays, and compares the responses too; nginx mirrors,
    tcpdump records."""
    ratio = {name: [] for name in ("gnomon", "gnomon_comparing", "nginx_mirror", "tcpdump")}
    own = {"gnomon": [], "gnomon_comparing": [], "tcpdump": []}
    sent, lost = dict.fromkeys(ratio, 0), dict.fromkeys(ratio, 0)
    uncounted = compared = 0  # of what Gnomon lost, what no counter of its says; responses found to be the same
    per_replayed = {"gnomon": [], "gnomon_comparing": []}
    for number in range(rounds):
        us = {}
        for condition in rotated(["off", *ratio], number):
            load = CountedLoad(requests, rate)
            before = processes.served(sink)
            if condition == "off":
                us[condition] = cpu_per_request(plain, load)
                continue
            if condition in per_replayed:
                more = ["--responses", "4096"] if condition == "gnomon_comparing" else []
                us[condition], seen = with_agent(plain, lambda: cpu_per_request(plain, load), "--fraction", "1",
                                                 "--replay-port", str(sink.port), *more)
                answered = seen["replay"]["answered"]
                lost[condition] += load.sent - answered
                uncounted += load.sent - answered - sum(seen["replay"][key] for key in ("shed", "timed_out", "reset"))
                per_replayed[condition].append(seen["cpu_us"] / max(1, answered))
                compared += seen.get("compared", {}).get("same", 0)
                own[condition].append(seen["cpu_us"] / load.sent)
            elif condition == "nginx_mirror":
                us[condition] = cpu_per_request(mirrored, load)
                lost[condition] += load.sent - (processes.served(sink) - before - 1)
            else:
                tcpdump = Tcpdump(plain)
                us[condition] = cpu_per_request(plain, load)
                cpu_us, dropped = tcpdump.stop()
                own[condition].append(cpu_us / load.sent)
                lost[condition] += dropped
            sent[condition] += load.sent
        for name in ratio:
            ratio[name].append(us[name] / us["off"])
        say(f"peers {number + 1}/{rounds}: {us['off']:.2f} us, " +
            ", ".join(f"{name} x{values[-1]:.3f}" for name, values in ratio.items()) +
            f", gnomon {per_replayed['gnomon'][-1]:.2f} us a replayed request")
    peers = {"requests_per_s": rate} | {name: {"target_cpu_ratio": spread(values), "lost": lost[name], "of": sent[name]}
             for name, values in ratio.items()}
    peers["gnomon"]["lost_uncounted"] = uncounted
    peers["gnomon_comparing"]["found_the_same"] = compared
    for name, values in own.items():
        peers[name]["own_us_per_request"] = spread(values)
    return peers, per_replayed


def measure_unsampled():
    out = subprocess.run([str(processes.BIN / "bench-tap")], stdout=subprocess.PIPE, check=True, text=True).stdout
    return json.loads(out)


def measure(options, result):
    tap = measure_unsampled()
    result["unsampled_vs_empty"] = tap["unsampled_vs_empty"]
    result["round_trip"] = tap
    with processes.services() as services:
        nginx, redis, pingpong = services.nginx(), services.redis(), services.pingpong()
        scale = options.scale
        result["cpu_per_request_ratio"], own = {}, {}
        for name, service, load in (
                ("nginx", nginx, lambda s: processes.h2load(s, int(60000 * scale))),
                ("redis", redis, lambda s: processes.redis_benchmark(s, int(100000 * scale))),
                ("pingpong", pingpong, lambda s: processes.ping(s, int(60000 * scale), 20)["requests"])):
            result["cpu_per_request_ratio"][name], own[name] = measure_ratios(service, load, options.rounds, name)
        result["agent_us_per_request"] = {name: spread(values["100"]) for name, values in own.items()}
        result["agent_us_per_request_and_response"] = {name: spread(values["100_and_responses"])
                                                       for name, values in own.items()}
        result["p99_added_us"] = measure_p99(nginx, options.rounds, max(1, int(3 * scale)))
        result["agent_rss_mib"] = measure_memory(pingpong, 10000)
        result["lost"] = measure_lost(nginx, 20000, max(2, int(60 * scale)))
        result["loss_accounting_error"] = measure_overload(pingpong, int(200000 * scale))
        sink = services.nginx()
        result["peers"], replayed = measure_peers(nginx, services.nginx(mirror_to=sink.port), sink, options.rounds,
                                                  int(40000 * scale))
        result["agent_us_per_replayed"] = spread(replayed["gnomon"])
        result["agent_us_per_compared"] = spread(replayed["gnomon_comparing"])


def main():
    parser = argparse.ArgumentParser(prog="bench-capture", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=11, help="pairs per figure (default 11)")
    parser.add_argument("--scale", type=float, default=1, help="of every load (default 1; 0.1 for a quick look)")
    options = parser.parse_args()
    result = {"benchmark": "capture", "kernel": os.uname().release, "cpus": len(processes.CPUS)}
    try:
        measure(options, result)
    except Failed as failure:
        result["failed"] = str(failure)  # what was measured by then is told all the same
    print(json.dumps(result))
    if "failed" in result:
        sys.exit(f"bench-capture: {result['failed']}")


if __name__ == "__main__":
    main()
