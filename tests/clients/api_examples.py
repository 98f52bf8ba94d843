"""Runs what stands in examples/, and the script of the older system, against a site of their own.

Usage: api_examples.py PROGRAM, in a Python that has requests; PROGRAM is the built `lyceum`.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import requests

from lyceum_site import PASSWORD, PATIENCE_SECONDS, Site

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
# Titles that a table has to quote.
TITLES = ["Bow hold", 'The "second" finger, and the third', "Rests", "=1+1"]


def enrolled(site):
    """The numbers of the courses whose contents the student may read."""
    numbers = set()
    for course in requests.get(f"{site.url}/api/courses/", timeout=PATIENCE_SECONDS).json():
        contents = f"{site.url}/api/courses/{course['id']}/contents/"
        answer = requests.get(contents, auth=("student", PASSWORD), timeout=PATIENCE_SECONDS)
        if answer.status_code == 200:
            numbers.add(course["id"])
        elif answer.status_code != 403:
            sys.exit(f"{contents}: {answer.status_code}")
    return numbers


def older_script(site):
    """What programs written for the older system do: Basic credentials, an empty body, no redirect, no token."""
    base = f"{site.url}/api/"
    courses = requests.get(base + "courses/", timeout=PATIENCE_SECONDS, allow_redirects=False).json()
    for course in courses:
        answer = requests.post(
            f"{base}courses/{course['id']}/enroll/", auth=("student", PASSWORD),
            timeout=PATIENCE_SECONDS, allow_redirects=False,
        )
        if answer.status_code != 200 or answer.json() != {"enrolled": True}:
            sys.exit(f"{course['title']}: {answer.status_code} {answer.text}")
    return [course["title"] for course in courses]


def example(*command):
    def run(site):
        ask = lambda password: subprocess.run(
            [*command, site.url, "student"], env={**os.environ, "LYCEUM_PASSWORD": password},
            capture_output=True, text=True,
        )
        wrong = ask("another password")
        if wrong.returncode == 0 or wrong.stdout.startswith("Enrolled") or PASSWORD in wrong.stderr:
            sys.exit(f"{command} takes a wrong password: {wrong.stdout}")
        done = ask(PASSWORD)
        if done.returncode != 0:
            sys.exit(f"{command}: {done.stdout}{done.stderr}")
        return [line.removeprefix("Enrolled in ") for line in done.stdout.splitlines()]

    return run


def main():
    ways = {
        "the script of the older system": older_script,
        "examples/enroll.py": example(sys.executable, str(EXAMPLES / "enroll.py")),
        "examples/enroll.sh": example(str(EXAMPLES / "enroll.sh")),
    }
    for name, enroll in ways.items():
        with tempfile.TemporaryDirectory() as folder, Site(sys.argv[1], folder) as site:
            site.write_courses(TITLES)
            if enrolled(site):
                sys.exit("the student is enrolled before anything was done")
            for _ in ("once", "twice is once"):
                told = enroll(site)
                if len(told) != len(TITLES) or len(enrolled(site)) != len(TITLES):
                    sys.exit(f"{name}: told {told}, enrolled in {enrolled(site)}")
    print(f"API: {', '.join(ways)} enroll in every course")


if __name__ == "__main__":
    main()
