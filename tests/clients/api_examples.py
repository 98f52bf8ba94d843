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


def asker(command, site):
    return lambda password: subprocess.run(
        [*command, site.url, "student"], env={**os.environ, "LYCEUM_PASSWORD": password},
        capture_output=True, text=True,
    )


def example(*command):
    def run(site):
        ask = asker(command, site)
        wrong = ask("another password")
        if wrong.returncode == 0 or wrong.stdout.startswith("Enrolled") or PASSWORD in wrong.stderr:
            sys.exit(f"{command} takes a wrong password: {wrong.stdout}")
        done = ask(PASSWORD)
        if done.returncode != 0:
            sys.exit(f"{command}: {done.stdout}{done.stderr}")
        return [line.removeprefix("Enrolled in ") for line in done.stdout.splitlines()]

    return run


def call(site, name, method, path, **body):
    answer = requests.request(
        method, f"{site.url}/api/{path}", auth=(name, PASSWORD), timeout=PATIENCE_SECONDS, json=body or None,
    )
    if not answer.ok:
        sys.exit(f"{method} {path}: {answer.status_code} {answer.text}")
    return answer.json()


def without_a_place(name, command):
    """Courses that do not take everybody at once: what is told is true, and none keeps the script from the others."""
    with tempfile.TemporaryDirectory() as folder, Site(sys.argv[1], folder) as site:
        site.write_courses(["Open", "Full", "Chosen", "Declined"])
        numbers = {course["title"]: course["id"] for course in call(site, "teacher", "GET", "courses/")}
        call(site, "teacher", "PATCH", f"courses/{numbers['Full']}/entry/", places=1)
        call(site, "staff", "POST", f"courses/{numbers['Full']}/enroll/")
        for title in ("Chosen", "Declined"):
            call(site, "teacher", "PATCH", f"courses/{numbers[title]}/entry/", needs_approval=True)
        call(site, "student", "POST", f"courses/{numbers['Declined']}/enroll/")
        request = call(site, "teacher", "GET", f"requests/?course={numbers['Declined']}")[0]
        call(site, "teacher", "POST", f"requests/{request['id']}/decline/", reason="Another time.")
        done = asker(command, site)(PASSWORD)
        told = done.stdout + done.stderr
        for title, begins in {
            "Open": "Enrolled", "Full": "Waiting", "Chosen": "Asked", "Declined": "Not enrolled",
        }.items():
            lines = [line for line in told.splitlines() if title in line]
            if len(lines) != 1 or not lines[0].startswith(begins):
                sys.exit(f"{name} tells of {title}: {told}")
        if done.returncode != 1 or enrolled(site) != {numbers["Open"]}:
            sys.exit(f"{name}: {done.returncode}, enrolled in {enrolled(site)}")


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
    without_a_place("examples/enroll.py", [sys.executable, str(EXAMPLES / "enroll.py")])
    without_a_place("examples/enroll.sh", [str(EXAMPLES / "enroll.sh")])
    print(f"API: {', '.join(ways)} enroll in every course, and say where they are not let in")


if __name__ == "__main__":
    main()
