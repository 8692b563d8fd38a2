#!/usr/bin/env python3
"""Makes the vectors of docs/ledger-format.md with nothing but Python's standard library.

    python3 tests/ledger/vectors.py > tests/ledger/vectors.json

Everything is written here a second time, as plainly as it can be: the tree by the recursive definitions of RFC 6962, the
signature by those of RFC 8032. The tests of src/ledger compare.
"""

import base64
import hashlib
import json

ORIGIN = "auth.example.com"
SEED = bytes(range(32))
LONGEST_ENTRY = 65535


def sha256(octets):
    return hashlib.sha256(octets).digest()


def b64(octets):
    return base64.b64encode(octets).decode()


def canonical(value):
    # Enough of RFC 8785 for these vectors: all names are ASCII, all numbers are integers.
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def entry(event):
    whole = canonical({**event, "envelope": 1}).encode()
    if len(whole) <= LONGEST_ENTRY:
        return whole
    rest = {name: value for name, value in event.items() if name != "data"}
    return canonical({**rest, "data_sha256": sha256(canonical(event["data"]).encode()).hex(), "envelope": 1}).encode()


def event(position):
    payloads = [
        {"reason": "requested_by_client"},
        {},
        {"name": "Zo\u00eb's \"nightly\"\t\u20ac\u2028build\u007f \U0001f511", "b": [1, {"z": None, "a": True}], "a": "\u0001\b\f\r\n\\"},
        {"long": "x" * 70000},
    ]
    return {
        "position": position,
        "stream": "grant-019a2d5e-6c00-7000-8000-%012x" % (position % 5),
        "revision": position // 5,
        "id": "019a2d5e-6c01-7000-8000-%012x" % position,
        "type": "grant.revoked",
        "schema": 1,
        "time": 1772546400000 + position,
        "actor": ["client:calendar", "system", "subject:\u00e9"][position % 3],
        "request_id": "" if position % 2 else "req-%d" % position,
        "data": payloads[position - 1] if position <= len(payloads) else {"reason": "requested_by_subject"},
    }


def leaf(octets):
    return sha256(b"\x00" + octets)


def node(left, right):
    return sha256(b"\x01" + left + right)


def split(count):
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def mth(leaves):
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node(mth(leaves[:k]), mth(leaves[k:]))


def path(m, leaves):
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return path(m, leaves[:k]) + [mth(leaves[k:])]
    return path(m - k, leaves[k:]) + [mth(leaves[:k])]


def subproof(m, leaves, whole):
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return subproof(m, leaves[:k], whole) + [mth(leaves[k:])]
    return subproof(m - k, leaves[k:], False) + [mth(leaves[:k])]


# Ed25519 as RFC 8032 section 5.1 has it, for a key that is no secret.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    product = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + product, P - 2, P) % P
    y = (y1 * y2 + x1 * x2) * pow(1 - product, P - 2, P) % P
    return x, y


def times(number, point):
    total = (0, 1)
    while number:
        if number & 1:
            total = add(total, point)
        point = add(point, point)
        number >>= 1
    return total


def base_point():
    y = 4 * pow(5, P - 2, P) % P
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if x * x % P != xx:
        x = x * pow(2, (P - 1) // 4, P) % P
    return (P - x if x & 1 else x), y


B = base_point()


def encode(point):
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def number(octets):
    return int.from_bytes(hashlib.sha512(octets).digest(), "little")


def secret():
    digest = hashlib.sha512(SEED).digest()
    scalar = int.from_bytes(digest[:32], "little") & (2**254 - 8) | 2**254
    return scalar, digest[32:]


def public_key():
    return encode(times(secret()[0], B))


def sign(message):
    scalar, prefix = secret()
    r = number(prefix + message) % L
    point = encode(times(r, B))
    return point + ((r + number(point + public_key() + message) * scalar) % L).to_bytes(32, "little")


def key_id():
    return sha256(ORIGIN.encode() + b"\n\x01" + public_key())[:4]


def checkpoint(size, root):
    text = "%s\n%d\n%s\n" % (ORIGIN, size, b64(root))
    return "%s\n\u2014 %s %s\n" % (text, ORIGIN, b64(key_id() + sign(text.encode())))


def main():
    entries = [entry(event(position)) for position in range(1, 601)]
    leaves = [leaf(octets) for octets in entries]
    sizes = [1, 2, 3, 7, 255, 256, 257, 512, 600]
    vectors = {
        "seed": SEED.hex(),
        "origin": ORIGIN,
        "verifier_key": "%s+%s+%s" % (ORIGIN, key_id().hex(), b64(b"\x01" + public_key())),
        "events": [event(position) for position in range(1, 6)],
        "entries": [octets.decode() for octets in entries[:5]],
        "leaf_hashes": [digest.hex() for digest in leaves[:5]],
        "rest": event(6)["data"],
        "roots": {str(size): b64(mth(leaves[:size])) for size in sizes},
        "checkpoints": {str(size): checkpoint(size, mth(leaves[:size])) for size in [7, 600]},
        "inclusion": [
            {"index": index, "size": size, "hashes": [b64(digest) for digest in path(index, leaves[:size])]}
            for index, size in [(0, 1), (2, 7), (6, 7), (255, 257), (256, 257), (300, 600), (599, 600)]
        ],
        "consistency": [
            {"from": low, "to": high, "hashes": [b64(digest) for digest in subproof(low, leaves[:high], True)]}
            for low, high in [(1, 2), (3, 7), (4, 7), (6, 7), (255, 256), (256, 600), (257, 600), (600, 600)]
        ],
        "tiles": {
            "tile/0/001": sha256(b"".join(leaves[256:512])).hex(),
            "tile/0/002.p/88": sha256(b"".join(leaves[512:600])).hex(),
            "tile/1/000.p/2": sha256(mth(leaves[:256]) + mth(leaves[256:512])).hex(),
            "tile/entries/002.p/88": sha256(b"".join(len(e).to_bytes(2, "big") + e for e in entries[512:600])).hex(),
        },
    }
    # What an event too long for its entry is made of is told by its rule, not by its bytes.
    vectors["events"][3]["data"] = {"long": "x * 70000"}
    print(json.dumps(vectors, indent=1))


main()
