"""Reads with pymemcache and redis-py what Lyceum wrote into its caches, and has Lyceum read what they wrote.

Usage: caches.py PROGRAM, in a Python that has pymemcache and redis; PROGRAM is the built example `cache`, which does
to a cache what it is told. The servers are started here, on free ports, and ended.
"""

import base64
import hashlib
import json
import socket
import subprocess
import sys
import tempfile
import time

import redis
from pymemcache.client.hash import HashClient

PATIENCE_SECONDS = 30
NAMES = [f"course:{number}" for number in range(200)] + ["Kürs:7", "😀", "a/b?c=d", "x" * 240]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(is_so, what):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            sys.exit(f"waited in vain: {what}")
        time.sleep(0.01)


class Server:
    """A server on a port of its own."""

    def __init__(self, *command):
        self.port = free_port()
        self.command = [part.format(port=self.port) for part in command]
        self.start()

    def start(self):
        # Ended by the kernel should this script be killed.
        command = ["setpriv", "--pdeathsig", "KILL", *self.command]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self.is_up, " ".join(command))

    def is_up(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.process.kill()
        self.process.wait()


class Lyceum:
    """A cache of Lyceum's, at this URL."""

    def __init__(self, program, url):
        self.process = subprocess.Popen(
            [program, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, *question):
        print(json.dumps(question), file=self.process.stdin, flush=True)
        told = json.loads(self.process.stdout.readline())
        if "error" in told:
            raise ValueError(told["error"])
        return told["answer"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def name(prefix, version, key):
    """The name under which a key is stored, as docs/CACHING.md says it."""
    full = f"{prefix}:{version}:{key}"
    if len(full.encode()) <= 250:
        return full
    digest = base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()).decode().rstrip("=")
    return f"{prefix}:{version}#{digest}"


def check(is_so, what):
    if not is_so:
        sys.exit(f"not so: {what}")


def both_ways(lyceum, get, put, add_to, prefix, version):
    """What either writes the other reads: values, numbers, and keys too long for Memcached."""
    for number, key in enumerate([*NAMES, "k" * 1000]):
        value = {"number": number, "key": key, "list": [None, True, 1.5, "ä\n"]}
        lyceum.ask("set", key, value, 300)
        found = get(name(prefix, version, key))
        check(found is not None and json.loads(found) == value, f"{key[:20]} was not found")
        put(name(prefix, version, key), json.dumps([number]).encode())
        check(lyceum.ask("get", key) == [number], f"Lyceum does not find {key[:20]}")
        check(lyceum.ask("delete", key) and get(name(prefix, version, key)) is None, f"{key[:20]} is still there")
    lyceum.ask("set", "count", 5)
    check(get(name(prefix, version, "count")) == b"5", "a number is its digits")
    check(lyceum.ask("incr", "count", 2) == 7, "Lyceum counts")
    check(add_to(name(prefix, version, "count"), 3) == 10, "the other counts on")
    check(lyceum.ask("incr", "count", -15) == -5, "Lyceum counts below zero")
    check(get(name(prefix, version, "count")) == b"-5", "a number below zero is its digits")


def clearing(lyceum, get, put, prefix, version):
    """Clearing a cache leaves what other programs keep there."""
    put(f"{prefix}2:1:key", b"1")
    lyceum.ask("set", "key", 1)
    lyceum.ask("clear", "")
    check(get(name(prefix, version, "key")) is None, "what is cleared is gone")
    check(get(f"{prefix}2:1:key") == b"1", "what another program keeps is there")


def memcached(program):
    servers = [Server("memcached", "-l", "127.0.0.1", "-p", "{port}", "-u", "nobody") for _ in range(3)]
    places = [f"127.0.0.1:{server.port}" for server in servers]
    url = f"memcached://{','.join(places)}?prefix=site&version=2"
    # Its own waits are long, so that it and Lyceum leave out the same server for the time of this test.
    client = HashClient(
        places, allow_unicode_keys=True, ignore_exc=True, default_noreply=False, retry_attempts=0, dead_timeout=3600
    )
    lyceum = Lyceum(program, url)
    both_ways(lyceum, client.get, client.set, client.incr, "site", 2)
    clearing(lyceum, client.get, client.set, "site", 2)

    # Each server has a part of the names.
    for key in NAMES:
        lyceum.ask("set", key, key)
    homes = {client.hasher.get_node(name("site", 2, key)) for key in NAMES}
    check(homes == set(places), "all three servers are used")
    check(set(client.get_many([name("site", 2, key) for key in NAMES])) == {name("site", 2, key) for key in NAMES},
          "pymemcache finds all at once")

    # Without one of them both look elsewhere for its names, at the same place.
    servers[1].stop()
    lost = [key for key in NAMES if client.hasher.get_node(name("site", 2, key)) == places[1]]
    for key in [lost[0], lost[0], lost[0]]:
        client.get(name("site", 2, key))
    check(places[1] not in client.hasher.nodes, "pymemcache leaves out the server that is dead")

    def is_left_out():
        lyceum.ask("set", lost[0], "elsewhere")
        return lyceum.ask("get", lost[0]) == "elsewhere"

    until(is_left_out, "Lyceum leaves out the server that is dead")
    for key in lost:
        lyceum.ask("set", key, f"new {key}")
        check(json.loads(client.get(name("site", 2, key))) == f"new {key}", f"{key[:20]} is not elsewhere")

    # And back again.
    servers[1].start()
    direct = HashClient([places[1]], allow_unicode_keys=True, default_noreply=False)

    def is_back():
        lyceum.ask("set", lost[0], "back")
        return direct.get(name("site", 2, lost[0])) == b'"back"'

    until(is_back, "Lyceum takes the server back")
    lyceum.close()
    for server in servers:
        server.stop()


def redis_server(program, folder):
    server = Server(
        "redis-server", "--port", "{port}", "--bind", "127.0.0.1", "--save", "", "--dir", folder, "--databases", "4"
    )
    client = redis.Redis(port=server.port, db=1)
    lyceum = Lyceum(program, f"redis://127.0.0.1:{server.port}/1?prefix=site&version=2")
    until(lambda: _set(lyceum), "Lyceum reaches Redis")
    both_ways(lyceum, client.get, client.set, client.incrby, "site", 2)
    clearing(lyceum, client.get, client.set, "site", 2)
    lyceum.ask("set", "key", 1, 3600)
    check(3500 < client.ttl(name("site", 2, "key")) <= 3600, "a lifetime is Redis's own")
    lyceum.ask("set", "key", 1)
    check(client.ttl(name("site", 2, "key")) == -1, "for ever is for ever")
    lyceum.close()
    server.stop()


def _set(lyceum):
    lyceum.ask("set", "first", 1)
    return lyceum.ask("get", "first") == 1


if __name__ == "__main__":
    memcached(sys.argv[1])
    with tempfile.TemporaryDirectory() as place:
        redis_server(sys.argv[1], place)
    print("pymemcache and redis-py read what Lyceum wrote, and the other way round")
