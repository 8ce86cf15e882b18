#!/usr/bin/env python3
"""Drives the conformance corpus through every face and proxy: the same decision as the library, case by case.

    corpus.py CORPUS TARGET FACE...

CORPUS is the folder of the corpus, TARGET the test program that serves it.
"""
import json
import os
import socket
import subprocess
import sys
import tempfile

# Where a proxy stands in between, what differs and why, with the decision there. Everything else must be as strict as the library by itself.
EXCEPTIONS = {
    # The proxy passes X-Original-Authorization on, and no header of that family is taken from it: 400 instead of 401.
    "nginx": {"transport-x-headers": "deny"},
    # Where the gateway closes the connection before it has read one megabyte of header, Traefik answers 500 now and then.
    "traefik": {"transport-x-headers": "deny", "token-1mb-junk": "deny"},
    # Envoy takes a bare carriage return for white space and drops an empty field, before anything is asked.
    "envoy-http": {"b64-bare-cr": "accept", "authz-two-lines-empty-bearer": "accept"},
}
EXCEPTIONS["envoy-grpc"] = EXCEPTIONS["envoy-http"]
GOOD = {"pass", "pass-alt", "advisory"}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(corpus, target, face):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.json")
        command = [
            sys.executable, os.path.join(corpus, "drive.py"), "--strict-codes", "--json", out,
            "--target", f"http://127.0.0.1:{free_port()}",
            "--spawn", f"{target} tests::corpus::serve_the_conformance_corpus --exact --ignored",
        ]
        done = subprocess.run(command, env={**os.environ, "CORPUS_FACE": face}, capture_output=True, text=True)
        if not os.path.exists(out):
            print(done.stdout, done.stderr)
            return False
        results = json.load(open(out))["results"]
    known = EXCEPTIONS.get(face, {})

    def is_known(r):
        decision = "accept" if r["got"]["status"] == 200 else "deny"
        return known.get(r["id"]) == decision

    bad = [r for r in results if r["verdict"] not in GOOD and not is_known(r)]
    print(f"{face:11} {len(results)} cases, {len(bad)} differ, {len(known)} known to differ")
    for r in bad:
        print("   ", r)
    return len(results) > 500 and not bad


def main():
    corpus, target, *faces = sys.argv[1:]
    if not all([run(corpus, target, face) for face in faces]):
        sys.exit(1)


main()
