"""Tries every operation of the API with schemathesis, as nobody, a student, a teacher and staff: no answer may be a
fault of the site, or another one than the schema tells.

Usage: api_schema.py PROGRAM [SECONDS [ROLE...]], in a Python that has schemathesis; PROGRAM is the built `lyceum`.
SECONDS is how long each role tries, sequences of calls included; without it each tries a little of everything.
"""

import base64
import os
import pathlib
import subprocess
import sys
import tempfile

import requests

from lyceum_site import PASSWORD, PATIENCE_SECONDS, ROLES, Site

# Calls come from many addresses; see schemathesis_hooks.py.
SETTINGS = {"LYCEUM_TRUSTED_PROXIES": "127.0.0.1"}
HERE = pathlib.Path(__file__).parent
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else None
TRIED = sys.argv[3:] or ["nobody", *ROLES]


def arguments(site, role):
    """How schemathesis is called."""
    command = [
        str(pathlib.Path(sys.executable).with_name("schemathesis")), "--config-file", str(HERE / "schemathesis.toml"),
        "--no-color", "run", f"{site.url}/api/schema/", "--checks", "all", "--seed", "1", "--warnings", "off",
        "--continue-on-failure",
    ]
    if role == "staff":
        # No token makes accounts or gives rights.
        known = base64.b64encode(f"{role}:{PASSWORD}".encode()).decode()
        command += ["--header", f"Authorization: Basic {known}"]
    elif role != "nobody":
        command += ["--header", f"Authorization: Token {site.token(role)}"]
    if SECONDS:
        return [*command, "--phases", "examples,coverage,fuzzing,stateful", "--max-time", str(SECONDS)]
    return [*command, "--phases", "examples,fuzzing", "--max-examples", "4", "--no-shrink"]


def is_known(site, role):
    """Whether the caller is still who she was: an account that deleted itself would try nothing more."""
    if role == "nobody":
        return True
    enroll = f"{site.url}/api/courses/999999/enroll/"
    answer = requests.post(enroll, auth=(role, PASSWORD), timeout=PATIENCE_SECONDS)
    return answer.status_code == 404


def main():
    for role in TRIED:
        with tempfile.TemporaryDirectory() as folder, Site(sys.argv[1], folder, SETTINGS) as site:
            site.write_courses(["Bow hold", "Left hand", "Rests"])
            environment = {
                **os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(HERE),
                "LYCEUM_URL": site.url, "LYCEUM_STAFF_TOKEN": site.token("staff"),
            }
            done = subprocess.run(
                arguments(site, role), env=environment, cwd=folder, capture_output=True, text=True,
            )
            if done.returncode != 0:
                sys.exit(f"as {role}:\n{done.stdout}{done.stderr}")
            if "ERROR" in site.told():
                sys.exit(f"as {role}, the site has noted:\n{site.told()}")
            if not is_known(site, role):
                sys.exit(f"{role} is not known any more")
            summary = [line for line in done.stdout.splitlines() if "generated" in line]
            print(f"schemathesis as {role}:", *summary)


if __name__ == "__main__":
    main()
