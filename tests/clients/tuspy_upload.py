"""Uploads a file with tuspy through three kills of the server, and checks that no byte is wrong.

Usage: tuspy_upload.py PROGRAM [BYTES], in a Python that has tuspy; PROGRAM is the built `lyceum`. BYTES is the size
of the file, 64 MB unless it is told.
With LYCEUM_TEST_FILES=s3 and LYCEUM_TEST_S3=<endpoint> files are kept in that store.
"""

import hashlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid

import requests
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError, TusUploadFailed

FILE_BYTES = int(sys.argv[2]) if len(sys.argv) > 2 else 64_000_000
# tuspy keeps a chunk in memory.
CHUNK_BYTES = min(FILE_BYTES // 4, 128_000_000)
CHUNKS = FILE_BYTES // CHUNK_BYTES
# In the middle of a chunk, each time in another one.
KILLED_AT_BYTES = [chunk * CHUNK_BYTES + CHUNK_BYTES // 4 for chunk in (0, CHUNKS // 3, 2 * CHUNKS // 3)]
PIECE_BYTES = 1_000_000
PATIENCE_SECONDS = 120 + FILE_BYTES // 10_000_000


class Site:
    """The program on a free port, over a data folder of its own."""

    def __init__(self, program, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.host = "127.0.0.1:%d" % probe.getsockname()[1]
        self.url = f"http://{self.host}"
        self.program = program
        self.folder = pathlib.Path(folder)
        self.environment = {**os.environ, "LYCEUM_DATA": str(folder), "LYCEUM_LISTEN": self.host}
        self.server = None
        self.store = None
        if os.environ.get("LYCEUM_TEST_FILES") == "s3":
            endpoint, prefix = os.environ["LYCEUM_TEST_S3"], f"t-{uuid.uuid4().hex}"
            self.store = f"{endpoint}/lyceum"
            self.prefix = prefix
            self.environment["LYCEUM_FILES"] = f"s3://lyceum/{prefix}?endpoint={endpoint}"

    def command(self, *arguments, text=""):
        done = subprocess.run(
            [self.program, *arguments], input=text, env=self.environment, cwd=self.folder,
            capture_output=True, text=True, check=True,
        )
        return done.stdout.strip()

    def start(self):
        self.server = subprocess.Popen(
            [self.program, "serve"], env=self.environment, cwd=self.folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.url}/readyz").close()
                return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        sys.exit("the site did not start")

    def kill(self):
        self.server.kill()
        self.server.wait()

    def held(self, name):
        """How much of the one upload is stored."""
        if not self.store:
            folder = self.folder / "files" / ".partial"
            return max((path.stat().st_size for path in folder.iterdir()), default=0)
        # The store believes every signature, but wants one.
        signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=lyceum/20260302/us-east-1/s3/aws4_request"}
        found = requests.get(f"{self.store}/{self.prefix}/.partial/{name}", headers=signed, timeout=PATIENCE_SECONDS)
        if found.status_code == 404:
            return 0
        manifest = json.loads(found.content)
        parts = manifest["parts"] + [manifest["tail"] or {"size": 0}]
        return sum(part["size"] for part in parts)

    def kill_at(self, name, size):
        """Kills the server as soon as so many bytes of the one upload are stored."""

        def watch():
            while self.held(name) < size:
                time.sleep(0.001)
            self.kill()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        return thread


def write_noise(path):
    """Writes random bytes that are of no known kind; answers their hash."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for start in range(0, FILE_BYTES, PIECE_BYTES):
            piece = os.urandom(min(PIECE_BYTES, FILE_BYTES - start))
            piece = piece if start else b"\0" + piece[1:]
            digest.update(piece)
            file.write(piece)
    return digest.digest()


def digest_of(url, headers):
    """The hash of what the site gives, and how much that is."""
    digest, size = hashlib.sha256(), 0
    with requests.get(url, headers=headers, timeout=PATIENCE_SECONDS, stream=True) as answer:
        answer.raise_for_status()
        for piece in answer.iter_content(PIECE_BYTES):
            digest.update(piece)
            size += len(piece)
    return digest.digest(), size


def upload(site, headers, path):
    """Sends the file, from where the site says that it has it, whatever happens to the site."""
    client = TusClient(f"{site.url}/uploads/", headers=headers)
    open_at = {"chunk_size": CHUNK_BYTES}
    uploader = client.uploader(str(path), metadata={"filename": "Masterclass.bin"}, **open_at)
    uploader.set_url(uploader.create_url())
    name = uploader.url.rsplit("/", 1)[1]
    for size in KILLED_AT_BYTES:
        killer = site.kill_at(name, size)
        try:
            uploader.upload()
            sys.exit("the upload ended before the site was killed")
        except (TusUploadFailed, TusCommunicationError, requests.RequestException):
            killer.join()
        site.start()
        held = site.held(name)
        uploader = client.uploader(str(path), url=uploader.url, **open_at)
        if not uploader.offset == held >= size:
            sys.exit(f"{uploader.offset} bytes are told of {held}, {size} were there")
    uploader.upload()
    return uploader.url


def main():
    with tempfile.TemporaryDirectory() as folder:
        site = Site(sys.argv[1], folder)
        site.command("migrate")
        site.command("user", "add", "clara", "--instructor", "--password-stdin", text="violet harbor 9\n")
        headers = {"Authorization": "Token " + site.command("user", "token", "clara")}
        path = site.folder / "file"
        sent = write_noise(path)
        site.start()
        try:
            url = upload(site, headers, path)
            told = requests.head(url, headers={**headers, "Tus-Resumable": "1.0.0"}, timeout=PATIENCE_SECONDS)
            number = told.headers["Lyceum-Upload"]
            stored, size = digest_of(f"{site.url}/media/{number}/original", headers)
        finally:
            site.kill()
        if (stored, size) != (sent, FILE_BYTES):
            sys.exit("the bytes are not those that were sent")
    print(f"tuspy: {FILE_BYTES // 1_000_000} MB through three kills, every byte right")


if __name__ == "__main__":
    main()
