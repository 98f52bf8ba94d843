"""A site for the clients of others: the program on a free port, over a data folder of its own, with people and courses."""

import os
import pathlib
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import requests

PASSWORD = "violet harbor 9"
PATIENCE_SECONDS = 60
# Who asks, and the flags of the account.
ROLES = {"student": [], "teacher": ["--instructor"], "staff": ["--staff"]}


class Site:
    """Use it in a `with`: the server ends with the block."""

    def __init__(self, program, folder, settings=()):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            host = "127.0.0.1:%d" % probe.getsockname()[1]
        self.url = f"http://{host}"
        self.program = program
        self.folder = pathlib.Path(folder)
        self.environment = {**os.environ, "LYCEUM_DATA": str(folder), "LYCEUM_LISTEN": host, **dict(settings)}
        self.server = None

    def __enter__(self):
        self.command("migrate")
        for name, flags in ROLES.items():
            self.add(name, flags)
        self.log = (self.folder / "server.log").open("wb")
        # Ended by the kernel should this script be killed.
        self.server = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", self.program, "serve"], env=self.environment, cwd=self.folder,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
        )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.url}/readyz").close()
                return self
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        sys.exit("the site did not start")

    def __exit__(self, *_):
        self.server.kill()
        self.server.wait()
        self.log.close()

    def command(self, *arguments, text=""):
        done = subprocess.run(
            [self.program, *arguments], input=text, env=self.environment, cwd=self.folder,
            capture_output=True, text=True, check=True,
        )
        return done.stdout.strip()

    def told(self):
        """What the server has logged."""
        return (self.folder / "server.log").read_text(errors="replace")

    def add(self, name, flags):
        """An account."""
        self.command("user", "add", name, *flags, "--password-stdin", text=f"{PASSWORD}\n")

    def token(self, name):
        return self.command("user", "token", name).splitlines()[-1]

    def write_courses(self, titles):
        """Courses of the teacher, as she writes them on the pages."""
        with requests.Session() as teacher:
            send = lambda path, fields: self.send(teacher, path, fields)
            send("/accounts/login/", {"username": "teacher", "password": PASSWORD})
            for number, title in enumerate(titles):
                made = send("/course/create/", {
                    "subject": 1 + number % 4, "title": title, "slug": f"course-{number}", "overview": f"About {title}.",
                })
                course = re.search(r"/course/(\d+)/", made.headers["Location"]).group(1)
                send(f"/course/{course}/module/add/", {"title": "The first", "description": "What comes before."})

    def send(self, session, path, fields):
        token = session.cookies.get("csrftoken")
        if token is None:
            session.get(f"{self.url}{path}", timeout=PATIENCE_SECONDS).raise_for_status()
            token = session.cookies["csrftoken"]
        answer = session.post(
            f"{self.url}{path}", data={**fields, "csrfmiddlewaretoken": token},
            allow_redirects=False, timeout=PATIENCE_SECONDS,
        )
        if answer.status_code != 303:
            sys.exit(f"{path}: {answer.status_code}\n{answer.text}")
        return answer
