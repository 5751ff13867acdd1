#!/usr/bin/python3
"""A discovery plug-in for Rollcall: the members are the rows of an inventory in CSV.

The inventory is a file, or what a command prints (a database client, a cloud's command line tool).
Nodes that Rollcall announces are kept in a second file beside the first, each with its end.
README.md says how to use it, and where the modules rollcall.v1.* come from.
"""

import contextlib
import csv
import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from concurrent import futures

import grpc
from google.protobuf import json_format

from rollcall.v1 import events_pb2, plugin_pb2, plugin_pb2_grpc

PROTOCOL_VERSION = 1
MAX_INVENTORY_BYTES = 16 << 20
# A chunk ends at either: Rollcall takes messages of up to 1 MiB.
CHUNK_MEMBERS = 1000
CHUNK_BYTES = 512 << 10
# Columns that are fields of a node; every other column is a label.
FIELDS = ("id", "host", "port", "zone", "weight", "status", "incarnation")


class Failed(Exception):
    """The inventory can't be had, or makes no sense; `code` is one of the protocol's."""

    def __init__(self, code, detail):
        super().__init__(detail)
        self.code = code
        self.detail = detail

    def message(self):
        return plugin_pb2.PluginFailure(code=self.code, detail=self.detail[:300])


class Inventory:
    """Where the rows come from: the configuration that the handshake brought."""

    KEYS = ("csv_file", "command", "command_timeout_s")

    def __init__(self, config):
        unknown = sorted(set(config) - set(self.KEYS))
        if unknown:
            raise ValueError(f"config.{unknown[0]} is none of {', '.join(self.KEYS)}")
        if ("csv_file" in config) == ("command" in config):
            raise ValueError("config needs either csv_file or command")
        self.csv_file = config.get("csv_file")
        self.announced_file = f"{self.csv_file}.announced"
        self.command = shlex.split(config.get("command", ""))
        self.timeout_s = float(config.get("command_timeout_s", "3"))

    def read(self):
        """All nodes by id, or Failed. Half of an inventory is never returned."""
        text = self._read_file() if self.csv_file else self._run_command()
        nodes = parse(text)
        if self.csv_file:
            for key, node in self._announced().items():
                nodes.setdefault(key, node)  # a row of the inventory counts more
        return nodes

    def announce(self, node, ttl_s):
        """True: it is announced for that long. False: the id is somebody else's."""
        with self._locked():
            known = self.read().get(node.id)
            if known is not None and (known.host, known.port) != (node.host, node.port):
                return False
            self._save({**self._load(), node.id: {"node": json_format.MessageToDict(node),
                                                  "until": time.time() + ttl_s}})
            return True

    def withdraw(self, node_id):
        with self._locked():
            entries = self._load()
            if entries.pop(node_id, None) is not None:
                self._save(entries)

    def _announced(self):
        try:
            return {key: json_format.ParseDict(entry["node"], events_pb2.Node())
                    for key, entry in self._load().items() if entry["until"] > time.time()}
        except (KeyError, TypeError, json_format.ParseError) as error:
            raise Failed("MALFORMED_RESPONSE", f"{self.announced_file}: {error}") from error

    def _load(self):
        try:
            with open(self.announced_file, "rb") as file:
                return json.load(file)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise Failed("BACKEND_UNAVAILABLE", f"{self.announced_file}: {error}") from error

    def _save(self, entries):
        """Beside it first, then in its place; those that are over go."""
        living = {key: entry for key, entry in entries.items() if entry["until"] > time.time()}
        beside = self.announced_file + ".new"
        try:
            with open(beside, "w", encoding="utf-8") as file:
                json.dump(living, file)
            os.replace(beside, self.announced_file)
        except OSError as error:
            raise Failed("BACKEND_UNAVAILABLE", f"{self.announced_file}: {error}") from error

    @contextlib.contextmanager
    def _locked(self):
        """One process at a time; of one process, one thread."""
        try:
            lock = os.open(self.announced_file + ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Failed("BACKEND_UNAVAILABLE", f"{self.announced_file}.lock: {error}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _read_file(self):
        try:
            with open(self.csv_file, "rb") as file:
                return file.read(MAX_INVENTORY_BYTES + 1)
        except PermissionError as error:
            raise Failed("PERMISSION_DENIED", str(error)) from error
        except OSError as error:
            raise Failed("BACKEND_UNAVAILABLE", str(error)) from error

    def _run_command(self):
        try:
            done = subprocess.run(
                self.command, stdin=subprocess.DEVNULL, capture_output=True,
                timeout=self.timeout_s, check=False)
        except subprocess.TimeoutExpired as error:
            raise Failed("TIMEOUT",
                         f"{self.command[0]}: no end after {self.timeout_s} s") from error
        except OSError as error:
            raise Failed("BACKEND_UNAVAILABLE", str(error)) from error
        if done.returncode != 0:
            raise Failed("BACKEND_UNAVAILABLE",
                         f"{self.command[0]} exited with status {done.returncode}")
        return done.stdout


def parse(data):
    """Rows of CSV with a header to nodes by id."""
    if len(data) > MAX_INVENTORY_BYTES:
        raise Failed("LIMIT_EXCEEDED", "the inventory is larger than 16 MiB")
    try:
        rows = csv.DictReader(data.decode("utf-8").splitlines(), strict=True)
        header = rows.fieldnames or []
        if "id" not in header or "host" not in header:
            # An empty file is a mistake; an inventory without members has its header.
            raise Failed("MALFORMED_RESPONSE", "a header with at least id and host is expected")
        nodes = {}
        for row in rows:
            node = to_node(row, rows.line_num)
            if node.id in nodes:
                raise Failed("MALFORMED_RESPONSE", f"line {rows.line_num}: id {node.id} again")
            nodes[node.id] = node
        return nodes
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise Failed("MALFORMED_RESPONSE", str(error)) from error


def to_node(row, line):
    if None in row or None in row.values():
        raise Failed("MALFORMED_RESPONSE", f"line {line}: not as many values as the header")
    status = row.get("status") or "READY"
    try:
        return events_pb2.Node(
            id=row["id"], host=row["host"], port=int(row.get("port") or 0),
            zone=row.get("zone", ""), weight=int(row.get("weight") or 1),
            status=events_pb2.NodeStatus.Value("NODE_STATUS_" + status),
            incarnation=row.get("incarnation", ""),
            labels={key: value for key, value in row.items() if key not in FIELDS and value})
    except ValueError as error:
        raise Failed("MALFORMED_RESPONSE", f"line {line}: {error}") from error


def chunks(nodes):
    """The nodes as the chunks of one snapshot; the last is marked."""
    chunk = plugin_pb2.PluginSnapshotChunk(chunk_index=0)
    size = 0
    for node in nodes.values():
        if len(chunk.members) >= CHUNK_MEMBERS or size >= CHUNK_BYTES:
            yield chunk
            chunk = plugin_pb2.PluginSnapshotChunk(chunk_index=chunk.chunk_index + 1)
            size = 0
        chunk.members.append(node)
        size += node.ByteSize()
    chunk.last = True
    yield chunk


def difference(before, now):
    """What changed; None: nothing did."""
    upserts = [node for key, node in now.items() if before.get(key) != node]
    removals = [key for key in before if key not in now]
    if not upserts and not removals:
        return None
    return plugin_pb2.PluginChange(upserts=upserts, removals=removals)


class Plugin(plugin_pb2_grpc.ClusterProviderPluginServicer):
    def __init__(self):
        self._lock = threading.Lock()  # guards the next two
        self._inventory = None
        self._attest_s = 5.0
        self.stopping = threading.Event()

    def Handshake(self, request, context):
        try:
            inventory = Inventory(dict(request.config))
        except ValueError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        with self._lock:
            self._inventory = inventory
            self._attest_s = request.attest_interval_ms / 1000
        version = PROTOCOL_VERSION if PROTOCOL_VERSION in request.protocol_versions else 0
        return plugin_pb2.HandshakeResponse(
            protocol_version=version, name="inventory-csv", version="1.0.0",
            # What a command prints, nobody can write.
            capabilities=plugin_pb2.PluginCapabilities(
                watch=True, announce=inventory.csv_file is not None),
            attest_interval_ms=request.attest_interval_ms)

    def CheckConnectivity(self, request, context):
        try:
            self._settings()[0].read()
        except Failed as failed:
            return plugin_pb2.CheckConnectivityResponse(failure=failed.message())
        return plugin_pb2.CheckConnectivityResponse()

    def Snapshot(self, request, context):
        try:
            yield from chunks(self._settings()[0].read())
        except Failed as failed:
            context.abort(grpc.StatusCode.UNAVAILABLE, f"{failed.code}: {failed.detail}")

    def Watch(self, request, context):
        inventory, attest_s = self._settings()
        over = threading.Event()
        context.add_callback(over.set)  # Rollcall cancelled, or went away
        known = None
        while not over.is_set() and not self.stopping.is_set():
            began = time.monotonic()
            try:
                now = inventory.read()
            except Failed as failed:
                yield plugin_pb2.PluginEvent(failed=failed.message())
                return  # Rollcall asks again when it is time to
            change = difference(known, now) if known is not None else None
            if known is None or (change is not None and change.ByteSize() > CHUNK_BYTES):
                for chunk in chunks(now):
                    yield plugin_pb2.PluginEvent(snapshot=chunk)
            elif change is not None:
                yield plugin_pb2.PluginEvent(change=change)
            else:
                # Read a moment ago and the same: this is true.
                yield plugin_pb2.PluginEvent(unchanged=plugin_pb2.PluginUnchanged())
            known = now
            over.wait(max(0.01, began + attest_s / 2 - time.monotonic()))

    def Announce(self, request, context):
        inventory = self._settings()[0]
        if inventory.csv_file is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "config has no csv_file")
        ttl_ms = max(request.ttl_ms, 1000)
        try:
            taken = inventory.announce(request.node, ttl_ms / 1000)
        except Failed as failed:
            context.abort(grpc.StatusCode.UNAVAILABLE, f"{failed.code}: {failed.detail}")
        if not taken:
            context.abort(grpc.StatusCode.ALREADY_EXISTS,
                          f"{request.node.id} has another address in the inventory")
        return plugin_pb2.AnnounceResponse(renew_within_ms=ttl_ms)

    def Withdraw(self, request, context):
        inventory = self._settings()[0]
        if inventory.csv_file is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "config has no csv_file")
        try:
            inventory.withdraw(request.node_id)
        except Failed as failed:
            context.abort(grpc.StatusCode.UNAVAILABLE, f"{failed.code}: {failed.detail}")
        return plugin_pb2.WithdrawResponse()

    def _settings(self):
        with self._lock:
            return self._inventory, self._attest_s


def main():
    socket = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("ROLLCALL_PLUGIN_SOCKET")
    if not socket:
        print("usage: inventory_plugin.py SOCKET (or $ROLLCALL_PLUGIN_SOCKET)", file=sys.stderr)
        return 2
    os.umask(0o077)  # nobody else may connect
    # A stream keeps its thread: one to follow, some to check and to read.
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    plugin = Plugin()
    plugin_pb2_grpc.add_ClusterProviderPluginServicer_to_server(plugin, server)
    server.add_insecure_port(f"unix:{socket}")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    server.start()
    ended.wait()
    plugin.stopping.set()
    server.stop(grace=0.2).wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
