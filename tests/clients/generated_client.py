"""Generates a Python client from the schema, reads courses with it, and enrolls.

Usage: generated_client.py PROGRAM, in a Python that has openapi-python-client; PROGRAM is the built `lyceum`.
"""

import json
import subprocess
import sys
import tempfile

from lyceum_site import PASSWORD, Site

TITLES = ["Bow hold", "Left hand", "Rests"]

# Runs where the generated package is on the path. What it imports is what the schema calls things.
USE = """
import sys
from lyceum_client import AuthenticatedClient, Client
from lyceum_client.api.courses import enroll_course, get_course, get_course_contents, list_courses
from lyceum_client.models import Course, CoursePage, Fault

site, key = sys.argv[1:]
visitor = Client(base_url=site)
student = AuthenticatedClient(base_url=site, token=key)

courses = list_courses.sync(client=visitor)
assert [course.title for course in courses] == sys.stdin.read().splitlines(), courses
assert all(isinstance(course, Course) for course in courses), courses
assert courses[0].modules[0].title == "The first", courses[0]

page = list_courses.sync(client=visitor, page=2, page_size=2)
assert isinstance(page, CoursePage) and page.count == 3 and len(page.results) == 1, page
parts = list_courses.sync(client=visitor, fields="id,title", ordering="title", search="hand")
assert [part.title for part in parts] == ["Left hand"], parts

course = courses[0]
assert get_course.sync(course.id, client=visitor).created == course.created
refused = enroll_course.sync(course.id, client=visitor)
assert isinstance(refused, Fault) and "credentials" in refused.detail, refused
assert get_course_contents.sync_detailed(course.id, client=student).status_code == 403
assert enroll_course.sync(course.id, client=student).enrolled is True
assert get_course_contents.sync(course.id, client=student).id == course.id
print("well")
"""


def main():
    with tempfile.TemporaryDirectory() as folder, Site(sys.argv[1], folder) as site:
        site.write_courses(TITLES)
        schema = site.folder / "schema.json"
        schema.write_text(site.command("openapi"))
        settings = site.folder / "settings.json"
        settings.write_text(json.dumps({"package_name_override": "lyceum_client", "post_hooks": []}))
        made = site.folder / "made"
        generated = subprocess.run(
            [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning",
             "--path", str(schema), "--config", str(settings), "--output-path", str(made / "lyceum_client")],
            capture_output=True, text=True,
        )
        if generated.returncode != 0:
            sys.exit(f"the client could not be generated\n{generated.stdout}{generated.stderr}")
        # Newest first.
        used = subprocess.run(
            [sys.executable, "-c", USE, site.url, site.token("student")], cwd=made,
            input="\n".join(reversed(TITLES)), capture_output=True, text=True,
        )
        if used.stdout != "well\n":
            sys.exit(f"the generated client does not work\n{used.stdout}{used.stderr}")
    print("openapi-python-client: a generated client reads courses and enrolls")


if __name__ == "__main__":
    main()
