"""Lists all courses of a Lyceum site and enrolls you in each.

    pip install requests
    python enroll.py http://127.0.0.1:8000 maya

The password is asked for, unless the variable LYCEUM_PASSWORD holds it. Enrolling twice is the same as once, so that
the script may be run again at any time. Where a teacher decides who comes in, or all places are taken, it says how your
request stands; a course that does not take you does not keep it from the others.
"""

import getpass
import os
import sys

import requests

TIMEOUT_SECONDS = 30


def words_of(standing):
    """What became of a request to enroll."""
    if standing["enrolled"]:
        return "Enrolled in"
    if standing["state"] == "waiting":
        return f"Waiting, at place {standing['place']}, for"
    return "Asked to be let into"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    site, name = sys.argv[1].rstrip("/"), sys.argv[2]
    password = os.environ.get("LYCEUM_PASSWORD") or getpass.getpass(f"Password of {name}: ")
    with requests.Session() as session:
        session.auth = (name, password)
        courses = session.get(f"{site}/api/courses/", timeout=TIMEOUT_SECONDS)
        courses.raise_for_status()
        refused = False
        for course in courses.json():
            answer = session.post(f"{site}/api/courses/{course['id']}/enroll/", timeout=TIMEOUT_SECONDS)
            if answer.status_code in (403, 404, 409):
                refused = True
                print(f"Not enrolled in {course['title']}: {answer.json()['detail']}", file=sys.stderr)
            elif not answer.ok:
                sys.exit(f"{course['title']}: {answer.json()['detail']}")
            else:
                print(f"{words_of(answer.json())} {course['title']}")
        if refused:
            sys.exit(1)


if __name__ == "__main__":
    main()
