#!/usr/bin/env python3
"""relay.py -- carries UDP between clients and one server, as badly as it is told to.

    relay.py LISTEN_ADDRESS SERVER_ADDRESS SERVER_PORT [SEED]

Prints {"port": N}, then obeys lines of JSON on its input:
    {"set": {...}, "way": "up"|"down"}   what to do to packets from now on (both ways without "way"):
        loss          share of packets that vanish, 0..1
        burst         mean length of a run of lost packets (1: each packet for itself)
        delay_ms      for each packet
        jitter_ms     up to so much more, evenly spread; order is kept, as in a queue
        reorder       share of packets that come 1 to 3 places late (20 to 60 ms)
        duplicate     share of packets that come twice
        rate_kbps     0: no limit; what would wait longer than queue_ms is dropped
        queue_ms
        blackout      true: nothing passes
    {"rebind": "ADDRESS"}                a new port towards the server for every client, as a NAT does after a
                                         restart; with an address the network changes as well
    {"stats": true}                      prints counts, and by how much packets left late: {"p50_us", "p99_us", …}

The same seed and the same packets give the same fate to each. One process, no threads; it sleeps in select,
whose timeout is exact to the kernel's timer slack (50 microseconds).
"""
import contextlib
import heapq
import ipaddress
import json
import os
import random
import select
import socket
import sys
import time

DEFAULTS = {"loss": 0.0, "burst": 1.0, "delay_ms": 0.0, "jitter_ms": 0.0, "reorder": 0.0, "duplicate": 0.0,
            "rate_kbps": 0.0, "queue_ms": 200.0, "blackout": False}
STEP_S = 0.020  # of a voice packet: what "a place late" means
OVERHEAD_BYTES = 28  # IP and UDP headers, for the rate
SOCKET_BYTES = 1 << 20


class Way:
    """One direction: decides when each packet leaves, or that it does not."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.conf = dict(DEFAULTS)
        self.losing = False
        self.free_at = self.last_due = 0.0
        self.count = {"in": 0, "out": 0, "lost": 0, "blackout": 0, "queue": 0, "late": 0, "twice": 0}

    def lose(self):
        loss, burst = self.conf["loss"], max(1.0, self.conf["burst"])
        # Gilbert's two states; with burst 1 they are independent throws.
        if burst == 1:
            return self.random.random() < loss
        chance = 1 - 1 / burst if self.losing else min(1.0, loss / burst / max(1e-9, 1 - loss))
        self.losing = self.random.random() < chance
        return self.losing

    def dues(self, now, size):
        """When the packet leaves: no, one or two times."""
        conf, count = self.conf, self.count
        count["in"] += 1
        # Drawn for every packet, so that a setting does not shift the fate of later packets.
        lost, jitter = self.lose(), self.random.random() * conf["jitter_ms"] / 1000
        late, places = self.random.random() < conf["reorder"], self.random.randint(1, 3)
        twice = self.random.random() < conf["duplicate"]
        if conf["blackout"] or lost:
            count["blackout" if conf["blackout"] else "lost"] += 1
            return []
        ready = now
        if conf["rate_kbps"] > 0:
            ready = max(now, self.free_at)
            if ready - now > conf["queue_ms"] / 1000:
                count["queue"] += 1
                return []
            self.free_at = ready = ready + (size + OVERHEAD_BYTES) * 8 / (conf["rate_kbps"] * 1000)
        due = max(ready + conf["delay_ms"] / 1000 + jitter, self.last_due)
        if late:
            count["late"] += 1
            due += places * STEP_S
        else:
            self.last_due = due
        count["twice"] += twice
        return [due] * (1 + twice)


class Relay:
    def __init__(self, listen, server, port, seed):
        self.server = (server, port)
        self.up, self.down = Way(seed), Way(seed + 1)
        self.family = socket.AF_INET6 if ipaddress.ip_address(listen).version == 6 else socket.AF_INET
        self.front = self.open(listen)
        self.source = None  # address towards the server; None: whatever the route says
        self.back = {}  # client's address: our socket towards the server
        self.client_of = {}  # the reverse
        self.heap, self.number, self.lateness = [], 0, []

    def open(self, address=None):
        out = socket.socket(self.family, socket.SOCK_DGRAM)
        out.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BYTES)
        out.setblocking(False)
        if address:
            out.bind((address, 0))
        return out

    def towards_server(self, client):
        if client not in self.back:
            out = self.open(self.source)
            out.connect(self.server)
            self.back[client] = out
            self.client_of[out] = client
        return self.back[client]

    def rebind(self, address):
        self.source = address or self.source
        for client, old in list(self.back.items()):
            del self.back[client], self.client_of[old]
            self.towards_server(client)
            old.close()

    def take(self, sock):
        for _ in range(64):
            try:
                data, client = sock.recvfrom(65536)
            except OSError:  # nothing more, or the server's port is closed
                return
            way = self.up if sock is self.front else self.down
            who = client if way is self.up else self.client_of[sock]
            for due in way.dues(time.monotonic(), len(data)):
                self.number += 1
                heapq.heappush(self.heap, (due, self.number, way, who, data))

    def give(self):
        while self.heap and self.heap[0][0] <= time.monotonic():
            due, _, way, client, data = heapq.heappop(self.heap)
            try:
                if way is self.up:
                    self.towards_server(client).send(data)
                else:
                    self.front.sendto(data, client)
            except OSError:
                continue
            way.count["out"] += 1
            if len(self.lateness) < 1_000_000:
                self.lateness.append(time.monotonic() - due)

    def stats(self):
        late = sorted(self.lateness) or [0.0]
        self.lateness = []
        return {"up": self.up.count, "down": self.down.count, "p50_us": round(late[len(late) // 2] * 1e6),
                "p99_us": round(late[len(late) * 99 // 100] * 1e6), "max_us": round(late[-1] * 1e6)}

    def obey(self, line):
        order = json.loads(line)
        if "set" in order:
            unknown = set(order["set"]) - set(DEFAULTS)
            if unknown:
                raise SystemExit(f"relay: unknown settings {unknown}")
            for name in (order["way"],) if "way" in order else ("up", "down"):
                getattr(self, name).conf.update(order["set"])
        elif "rebind" in order:
            self.rebind(order["rebind"])
        put(self.stats() if "stats" in order else {"done": True})

    def run(self):
        put({"port": self.front.getsockname()[1]})
        text = b""
        while True:
            wait = max(0.0, self.heap[0][0] - time.monotonic()) if self.heap else None
            ready, _, _ = select.select([0, self.front, *self.client_of], [], [], wait)
            if 0 in ready:
                more = os.read(0, 65536)
                if not more:
                    return
                *lines, text = (text + more).split(b"\n")
                for line in lines:
                    self.obey(line)
                continue  # sockets may have been replaced
            for sock in ready:
                self.take(sock)
            self.give()


def put(value):
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    # Ahead of everything else where that is allowed: what it measures is the machine under load.
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    Relay(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 1).run()
