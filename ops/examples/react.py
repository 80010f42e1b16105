#!/usr/bin/env python3
"""Reacts to what happens to images and snapshots, on every node, with nothing but Python: python3 ops/examples/react.py [NAME]

NATS speaks lines of text, so no library is needed. The server remembers under the name how far it came: started again it goes on there, whatever
happened meanwhile. What was not acknowledged, because this was killed before, comes once more.
"""

import json
import os
import socket
import sys
import time
import uuid
from urllib.parse import urlsplit

STREAM = "GANTRY_EVENTS"
SECOND = 1_000_000_000


def react(event):
    """What to do: the rest is about hearing of it."""
    node, kind, data = event["source"], event["type"], event["data"]
    if kind == "image.created":
        print(f"{node} has {data['name']}", flush=True)
    elif kind == "image.updated":
        print(f"{node} has another {data['name']}", flush=True)
    elif kind == "image.removed":
        print(f"{node} forgot {data['name']}", flush=True)
    elif kind == "snapshot.committed":
        print(f"{node} unpacked {data['name']}", flush=True)


class Nats:
    """A connection: just enough of https://docs.nats.io/reference/reference-protocols/nats-protocol."""

    def __init__(self, url, user, password):
        address = urlsplit(url)
        # A server that says nothing for so long, not even PING, is gone.
        self.socket = socket.create_connection((address.hostname, address.port or 4222), timeout=300)
        self.stream = self.socket.makefile("rb")
        self.stream.readline()  # INFO
        options = {"verbose": False, "pedantic": False, "headers": True, "lang": "python", "version": "1", "name": "react.py"}
        if user:
            options.update({"user": user, "pass": password})
        self.say(f"CONNECT {json.dumps(options)}")

    def say(self, line, payload=None):
        self.socket.sendall(line.encode() + b"\r\n" + (b"" if payload is None else payload + b"\r\n"))

    def publish(self, subject, payload, reply=""):
        self.say(f"PUB {subject} {reply} {len(payload)}", payload)

    def next(self):
        """The next message: which subscription, where to acknowledge it, its headers and its payload."""
        while line := self.stream.readline():
            verb, *words = line.decode().split()
            if verb == "PING":
                self.say("PONG")
            elif verb == "-ERR":
                raise ConnectionError(line.decode().strip())
            elif verb in ("MSG", "HMSG"):
                size, head = int(words[-1]), int(words[-2]) if verb == "HMSG" else 0
                reply = words[2] if len(words) > (4 if verb == "HMSG" else 3) else ""
                body = self.stream.read(size + 2)[:-2]
                return words[1], reply, body[:head], body[head:]
        raise ConnectionError("the server went away")


def follow(nats, name):
    """React to whatever the stream has for us, and to what comes. One consumer has one filter, so there is one for each actor."""
    inbox = f"_INBOX.{uuid.uuid4().hex}"
    actors = {"1": "image", "2": "snapshot"}

    def ask(sid):
        """For the next one; nobody has to be there when it comes for longer than half a minute."""
        question = json.dumps({"batch": 1, "expires": 30 * SECOND}).encode()
        nats.publish(f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{name}-{actors[sid]}", question, f"{inbox}.{sid}")

    for sid, actor in actors.items():
        nats.say(f"SUB {inbox}.{sid} {sid}")
        config = {"durable_name": f"{name}-{actor}", "deliver_policy": "all", "ack_policy": "explicit", "ack_wait": 30 * SECOND,
                  "filter_subject": f"gantry.event.*.{actor}.*", "max_ack_pending": 1}
        question = json.dumps({"stream_name": STREAM, "config": config}).encode()
        nats.publish(f"$JS.API.CONSUMER.DURABLE.CREATE.{STREAM}.{name}-{actor}", question, f"{inbox}.{sid}")
        _, _, _, answer = nats.next()
        if "error" in json.loads(answer):
            raise SystemExit(f"make the consumer {name}-{actor}: {json.loads(answer)['error']['description']}")
    for sid in actors:
        ask(sid)
    while True:
        sid, reply, headers, payload = nats.next()
        if not headers.startswith(b"NATS/1.0 "):  # such as 408: nothing came
            react(json.loads(payload))
            nats.publish(reply, b"+ACK")
        ask(sid)


def main():
    root = os.environ.get("GANTRY_ROOT", "/var/lib/gantry")
    name = sys.argv[1] if len(sys.argv) > 1 else "react"
    while True:
        try:
            with open(f"{root}/node.json", encoding="utf8") as file:
                here = json.load(file)
            secret = {}
            if "credentials" in here:
                with open(here["credentials"], encoding="utf8") as file:
                    secret = json.load(file)
            follow(Nats(here["url"], secret.get("user"), secret.get("password")), name)
        except OSError as error:
            print(f"again in a second: {error}", file=sys.stderr)
            time.sleep(1)


main()
