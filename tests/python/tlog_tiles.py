"""Follows a log as C2SP tlog-tiles has it, with nothing but the standard library and the two
documents (tlog-tiles, RFC 6962): python3 tlog_tiles.py PREFIX TOKEN

Takes the checkpoint, every tile that its size asks for and every entry; holds the entries against
the tiles of leaves, each tile against the ones above it, and the whole against the root. Prints the
size, the root and the ids of the events, as one JSON object."""

import base64
import hashlib
import json
import sys
import urllib.request


def sha(data):
    return hashlib.sha256(data).digest()


def tree_hash(hashes):
    """MTH of RFC 6962, over hashes of equal subtrees."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return sha(b"\1" + tree_hash(hashes[:split]) + tree_hash(hashes[split:]))


def path_of(index, width):
    groups = [f"{index % 1000:03}"]
    while index >= 1000:
        index //= 1000
        groups.append(f"x{index % 1000:03}")
    return "/".join(reversed(groups)) + (f".p/{width}" if width < 256 else "")


class Log:
    def __init__(self, prefix, token):
        self.prefix, self.token = prefix, token

    def get(self, path, media_type):
        headers = {"Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(f"{self.prefix}/{path}", headers=headers)
        with urllib.request.urlopen(request) as answer:
            assert answer.headers["Content-Type"] == media_type, answer.headers
            if path.startswith("tile/"):
                assert "immutable" in answer.headers["Cache-Control"], answer.headers
            return answer.read()

    def level(self, number, size):
        """All hashes of a level, from its tiles."""
        hashes = []
        for first in range(0, size, 256):
            width = min(256, size - first)
            path = f"tile/{number}/{path_of(first // 256, width)}"
            tile = self.get(path, "application/octet-stream")
            assert len(tile) == 32 * width, path
            hashes += [tile[at : at + 32] for at in range(0, len(tile), 32)]
        return hashes

    def entries(self, size):
        for first in range(0, size, 256):
            path = f"tile/entries/{path_of(first // 256, min(256, size - first))}"
            bundle = self.get(path, "application/octet-stream")
            while bundle:
                end = 2 + int.from_bytes(bundle[:2], "big")
                assert end <= len(bundle), path
                yield bundle[2:end]
                bundle = bundle[end:]


def main(prefix, token):
    log = Log(prefix, token)
    note = log.get("checkpoint", "text/plain; charset=utf-8").decode()
    _, size, root = note.split("\n")[:3]
    size, root = int(size), base64.b64decode(root)
    entries = list(log.entries(size))
    leaves = log.level(0, size)
    assert [sha(b"\0" + entry) for entry in entries] == leaves, "an entry is not its leaf"
    assert tree_hash(leaves) == root, "the leaves do not give the root"
    hashes, number = leaves, 0
    while len(hashes) >= 256:
        number += 1
        full = len(hashes) // 256
        above = log.level(number, full)
        tiles = [hashes[256 * index : 256 * index + 256] for index in range(full)]
        assert above == [tree_hash(tile) for tile in tiles], f"level {number} does not fit"
        hashes = above
    ids = [json.loads(entry)["id"] for entry in entries]
    print(json.dumps({"size": size, "root": root.hex(), "levels": number + 1, "ids": ids}))


main(sys.argv[1], sys.argv[2])
