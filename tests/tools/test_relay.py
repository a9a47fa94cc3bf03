"""The relay that impairs UDP (tests/net/relay.py), on loopback: what it is told is what happens to packets."""
import json
import pathlib
import socket
import subprocess
import sys
import time
import unittest

NET = pathlib.Path(__file__).resolve().parent.parent / "net"
sys.path.insert(0, str(NET))
import relay  # noqa: E402


class Away:
    """A relay between two sockets of ours."""

    def __init__(self, seed=7):
        self.client, self.server = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for one in (self.client, self.server):
            one.bind(("127.0.0.1", 0))
            one.settimeout(1)
        self.child = subprocess.Popen([sys.executable, str(NET / "relay.py"), "127.0.0.1", "127.0.0.1",
                                       str(self.server.getsockname()[1]), str(seed)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.front = ("127.0.0.1", json.loads(self.child.stdout.readline())["port"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.communicate(timeout=10)
        self.client.close()
        self.server.close()

    def order(self, **words):
        self.child.stdin.write(json.dumps(words).encode() + b"\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())

    def send(self, count):
        """Sends numbers to the server; returns those that came, in their order, and the last sender."""
        for number in range(count):
            self.client.sendto(b"%d" % number, self.front)
        came, sender = [], None
        try:
            while True:
                data, sender = self.server.recvfrom(100)
                came.append(int(data))
        except socket.timeout:
            return came, sender


class RelayTest(unittest.TestCase):
    def test_untouched_both_ways(self):
        with Away() as away:
            came, sender = away.send(50)
            self.assertEqual(came, list(range(50)))
            away.server.sendto(b"back", sender)
            self.assertEqual(away.client.recvfrom(100), (b"back", away.front))

    def test_same_seed_same_loss(self):
        with Away(3) as one, Away(3) as two, Away(4) as other:
            for away in (one, two, other):
                away.order(set={"loss": 0.3})
            first, second, third = (away.send(200)[0] for away in (one, two, other))
            self.assertEqual(first, second)
            self.assertNotEqual(first, third)
            self.assertTrue(110 <= len(first) <= 170, len(first))

    def test_one_way_only(self):
        with Away() as away:
            away.order(set={"blackout": True}, way="down")
            came, sender = away.send(5)
            self.assertEqual(len(came), 5)
            away.server.sendto(b"back", sender)
            with self.assertRaises(socket.timeout):
                away.client.recvfrom(100)
            self.assertEqual(away.order(stats=True)["down"]["blackout"], 1)
            away.order(set={"blackout": False})
            away.server.sendto(b"again", sender)
            self.assertEqual(away.client.recvfrom(100)[0], b"again")

    def test_delay_is_kept_exactly(self):
        with Away() as away:
            away.order(set={"delay_ms": 80})
            before = time.monotonic()
            away.client.sendto(b"0", away.front)
            away.server.recvfrom(100)
            took_ms = (time.monotonic() - before) * 1000
            self.assertTrue(79.9 <= took_ms < 1000, took_ms)  # a busy machine is late, never early

    def test_jitter_keeps_the_order_and_reorder_does_not(self):
        with Away() as away:
            away.order(set={"jitter_ms": 30})
            self.assertEqual(away.send(60)[0], list(range(60)))
            away.order(set={"jitter_ms": 0, "reorder": 0.2})
            came = away.send(60)[0]
            self.assertEqual(sorted(came), list(range(60)))
            self.assertNotEqual(came, sorted(came))

    def test_duplicates(self):
        with Away() as away:
            away.order(set={"duplicate": 1})
            self.assertEqual(away.send(5)[0], [0, 0, 1, 1, 2, 2, 3, 3, 4, 4])

    def test_rate_and_its_queue(self):
        with Away() as away:
            # 29 to 30 bytes with headers are 3 ms at 80 kb/s; 100 ms of queue take the first 34 of a burst.
            away.order(set={"rate_kbps": 80, "queue_ms": 100})
            came = away.send(100)[0]
            self.assertEqual(came[:34], list(range(34)))
            self.assertEqual(came, sorted(came))
            self.assertEqual(away.order(stats=True)["up"]["queue"], 100 - len(came))
            self.assertLess(len(came), 100)

    def test_rebinding_changes_the_port(self):
        with Away() as away:
            _, before = away.send(1)
            away.order(rebind="")
            came, after = away.send(1)
            self.assertEqual(came, [0])
            self.assertNotEqual(before, after)
            away.server.sendto(b"back", after)
            self.assertEqual(away.client.recvfrom(100)[0], b"back")

    def test_bursts_have_the_asked_length_and_share(self):
        way = relay.Way(1)
        way.conf.update(loss=0.1, burst=4)
        fate = [bool(way.dues(0.02 * i, 100)) for i in range(50_000)]
        lost = fate.count(False)
        runs = sum(1 for a, b in zip([True] + fate, fate) if a and not b)
        self.assertAlmostEqual(lost / len(fate), 0.1, delta=0.015)
        self.assertAlmostEqual(lost / runs, 4, delta=0.5)


if __name__ == "__main__":
    unittest.main()
