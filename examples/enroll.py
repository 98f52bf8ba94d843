"""Lists all courses of a Lyceum site and enrolls you in each.

    pip install requests
    python enroll.py http://127.0.0.1:8000 maya

The password is asked for, unless the variable LYCEUM_PASSWORD holds it. Enrolling twice is the same as once, so that
the script may be run again at any time.
"""

import getpass
import os
import sys

import requests

TIMEOUT_SECONDS = 30


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    site, name = sys.argv[1].rstrip("/"), sys.argv[2]
    password = os.environ.get("LYCEUM_PASSWORD") or getpass.getpass(f"Password of {name}: ")
    with requests.Session() as session:
        session.auth = (name, password)
        courses = session.get(f"{site}/api/courses/", timeout=TIMEOUT_SECONDS)
        courses.raise_for_status()
        for course in courses.json():
            answer = session.post(f"{site}/api/courses/{course['id']}/enroll/", timeout=TIMEOUT_SECONDS)
            if not answer.ok:
                sys.exit(f"{course['title']}: {answer.json()['detail']}")
            print(f"Enrolled in {course['title']}")


if __name__ == "__main__":
    main()
