"""Tries every operation of the API with schemathesis, as nobody, a student, a teacher and staff: no answer may be a
fault of the site, or another one than the schema tells.

Usage: api_schema.py PROGRAM [SECONDS [ROLE...]], in a Python that has schemathesis; PROGRAM is the built `lyceum`.
SECONDS is how long each role tries, sequences of calls included; without it each tries a little of everything.

Students and teachers have a peer, who must not see what is theirs alone: the check object_level_authorization.
"""

import base64
import json
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
PEERS = {"student": "fellow", "teacher": "colleague"}


def credentials(site, role):
    """How somebody says who she is. No token makes accounts or gives rights: staff come with their password."""
    if role == "staff":
        known = base64.b64encode(f"{role}:{PASSWORD}".encode()).decode()
        return f"Basic {known}"
    return f"Token {site.token(role)}"


def configuration(site, role):
    """The settings of schemathesis, with who asks and, where she has one, her peer."""
    settings = (HERE / "schemathesis.toml").read_text()
    if role != "nobody":
        people = [role, PEERS[role]] if role in PEERS else [role]
        known = [
            {"name": name, "fixedHeaders": [{"name": "Authorization", "value": credentials(site, name)}]}
            for name in people
        ]
        path = site.folder / "people.json"
        path.write_text(json.dumps({"auth": known}))
        settings += f"\n[auth.wfc]\npath = {json.dumps(str(path))}\nuser = {json.dumps(role)}\n"
        if len(people) > 1:
            settings += f"peers = {json.dumps(people)}\n"
    path = site.folder / "schemathesis.toml"
    path.write_text(settings)
    return str(path)


def ways():
    """What is tried. Sequences of calls have half of the time for themselves: single calls would take all of it."""
    if not SECONDS:
        return [["--phases", "examples,fuzzing", "--max-examples", "4", "--no-shrink"]]
    half = ["--max-time", str(max(SECONDS // 2, 1))]
    return [["--phases", phases, *half] for phases in ("examples,coverage,fuzzing", "stateful")]


def arguments(site, role, how):
    """How schemathesis is called."""
    command = [
        str(pathlib.Path(sys.executable).with_name("schemathesis")), "--config-file", configuration(site, role),
        "--no-color", "run", f"{site.url}/api/schema/", "--checks", "all", "--seed", "1", "--warnings", "off",
        "--continue-on-failure",
    ]
    return [*command, *how]


def is_known(site, role):
    """Whether the caller is still who she was: an account that deleted itself would try nothing more."""
    if role == "nobody":
        return True
    enroll = f"{site.url}/api/courses/999999/enroll/"
    answer = requests.post(enroll, auth=(role, PASSWORD), timeout=PATIENCE_SECONDS)
    return answer.status_code == 404


def try_as(site, role, how):
    """Calls schemathesis; answers how many calls there were, and how many of the ways from one to the next were taken."""
    environment = {
        **os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(HERE),
        "LYCEUM_URL": site.url, "LYCEUM_STAFF_TOKEN": site.token("staff"),
    }
    done = subprocess.run(
        arguments(site, role, how), env=environment, cwd=site.folder, capture_output=True, text=True,
    )
    if done.returncode != 0:
        sys.exit(f"as {role}:\n{done.stdout}{done.stderr}")
    if "ERROR" in site.told():
        sys.exit(f"as {role}, the site has noted:\n{site.told()}")
    if not is_known(site, role):
        sys.exit(f"{role} is not known any more")
    told = [line.strip() for line in done.stdout.splitlines()]
    return [line for line in told if "generated" in line or " covered / " in line]


def main():
    for role in TRIED:
        with tempfile.TemporaryDirectory() as folder, Site(sys.argv[1], folder, SETTINGS) as site:
            site.write_courses(["Bow hold", "Left hand", "Rests"])
            for one, peer in PEERS.items():
                site.add(peer, ROLES[one])
            summary = [line for how in ways() for line in try_as(site, role, how)]
            print(f"schemathesis as {role}:", *summary, sep="\n  ", flush=True)


if __name__ == "__main__":
    main()
