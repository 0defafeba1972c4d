"""A process forked at any time, from any thread, can convolve: no hang, and the same bits."""

from __future__ import annotations

import os

import pytest

from .processes import run_python

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")

PRELUDE = """
import hashlib, multiprocessing, os, signal, sys, threading, time, warnings
import numpy as np
import cyconv
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 and later warn of fork with threads
cyconv.set_num_threads(4)
rng = np.random.default_rng(0)
x = rng.standard_normal((2, 32, 60, 60)).astype("f4")
w = rng.standard_normal((32, 32, 3, 3)).astype("f4")
plane = rng.standard_normal((1, 1, 700, 700)).astype("f4")
layer = cyconv.Conv2d(32, 32, 3, rng=0)

def digest(_=None):
    signal.alarm(20)
    h = hashlib.sha256()
    h.update(cyconv.conv2d(x, w, padding=1).tobytes())
    h.update(cyconv.conv2d(plane, plane[:, :, :3, :3]).tobytes())
    h.update(cyconv.conv2d(x.astype("f8"), w[:, :1].astype("f8"), groups=32).tobytes())
    h.update(layer(x).tobytes())
    signal.alarm(0)
    return h.hexdigest()

def in_child(action=digest):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, action().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        result = stream.read().decode()
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"child ended with {status}"
    return result
"""

SCENES = {
    "before the first parallel region": """
first = in_child()
assert first == digest() != ""
""",
    "after a parallel region": """
expected = digest()
assert in_child() == expected
assert in_child() == expected
assert digest() == expected
""",
    "a grandchild": """
expected = digest()
assert in_child(in_child) == expected
""",
    "a child that forks after it convolved": """
expected = digest()
def child():
    own = digest()
    return own if in_child() == own else "differs"
assert in_child(child) == expected
""",
    "while another thread packs weights": """
weight = rng.standard_normal((256, 256, 5, 5)).astype("f4")
image = rng.standard_normal((1, 256, 8, 8)).astype("f4")
for _ in range(5):
    wide = cyconv.Conv2d(256, 256, 5, bias=False)
    wide.weight = weight
    packer = threading.Thread(target=wide, args=(image,))
    def child():
        signal.alarm(20)
        return hashlib.sha256(wide(image).tobytes()).hexdigest()
    packer.start()
    inside = in_child(child)
    packer.join()
    assert inside == hashlib.sha256(wide(image).tobytes()).hexdigest()
""",
    "from another thread": """
expected = digest()
found = []
worker = threading.Thread(target=lambda: found.append(in_child()))
worker.start(); worker.join()
assert found == [expected]
""",
    "from a thread that convolved": """
expected = digest()
found = []
def work():
    found.append(digest())
    found.append(in_child())
worker = threading.Thread(target=work)
worker.start(); worker.join()
assert found == [expected, expected]
""",
    "while other threads convolve": """
expected = digest()
stop = threading.Event()
def work():
    while not stop.is_set():
        cyconv.conv2d(x, w)
        cyconv.Conv2d(32, 32, 3)(x)
workers = [threading.Thread(target=work) for _ in range(2)]
for worker in workers: worker.start()
try:
    for _ in range(6):
        assert in_child() == expected
finally:
    stop.set()
    for worker in workers: worker.join()
""",
    "threads of the child": """
expected = digest()
def child():
    found = []
    workers = [threading.Thread(target=lambda: found.append(digest_quiet())) for _ in range(3)]
    for worker in workers: worker.start()
    for worker in workers: worker.join()
    return found[0] if len(set(found)) == 1 and len(found) == 3 else "differs"
def digest_quiet():
    return hashlib.sha256(cyconv.conv2d(x, w, padding=1).tobytes()).hexdigest()
assert in_child(child) == digest_quiet()
""",
    "a pool of forked workers": """
expected = digest()
with multiprocessing.get_context("fork").Pool(3) as pool:
    assert pool.map(digest, range(6)) == [expected] * 6
""",
    "a setting changed in the child": """
expected = digest()
def child():
    cyconv.set_num_threads(2)
    return digest()
assert in_child(child) == expected
""",
}


@pytest.mark.parametrize("scene", SCENES)
def test_fork(scene: str):
    script = PRELUDE + SCENES[scene] + "print('done')\n"
    done = run_python(script, timeout=90, OMP_NUM_THREADS="4")
    assert done.stdout.split() == ["done"]
