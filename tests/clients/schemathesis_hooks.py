"""What the schema cannot say, for schemathesis: which parameters exclude each other, and which things exist."""

import ipaddress
import itertools
import os

import requests
import schemathesis
from schemathesis.generation.meta import TestPhase

PATIENCE_SECONDS = 60
FIRST_ADDRESS = int(ipaddress.IPv4Address("10.0.0.1"))
CALLS = itertools.count()
SITE = os.environ["LYCEUM_URL"]
# Somebody who sees everything that can be named in a body.
HEADERS = {"Authorization": f"Token {os.environ['LYCEUM_STAFF_TOKEN']}"}
# Texts of which only some exist.
EXISTING = {"timezone": "Europe/Madrid"}
FORM_WORDS = {"", "0", "1", "on", "off", "true", "false"}
# What gives an account another password.
SETS_PASSWORDS = {"/api/users/{id}/password/"}
# The number of no account.
NOBODY = 999_999
# Of no kind there are so many.
MOST_THINGS = 100_000
# The number that the schema gives as an example.
EXAMPLE = 7
# Ways through a list, of which a call takes one.
WAYS = [("page", "page_size"), ("limit", "offset"), ("cursor",)]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes what should be accepted acceptable beyond what the schema says."""
    # From another address each time, as a trusted proxy tells it: wrong credentials on purpose would otherwise soon
    # have all others wait.
    case.headers["X-Forwarded-For"] = str(ipaddress.IPv4Address(FIRST_ADDRESS + next(CALLS)))
    spare_callers(case)
    held = body_schema(case)
    has_fields = held and isinstance(case.body, dict)
    if case.meta is None or not case.meta.generation.mode.is_positive:
        if has_fields and case.media_type != "application/json":
            spoil(held, case.body)
        spoil_query(case)
        return
    if is_in_sequence(case):
        lead_on(case)
    if case.query:
        choose_one_way(case.query)
    if has_fields:
        name_what_exists(held, case.body)


def is_in_sequence(case):
    return case.meta.phase.name == TestPhase.STATEFUL


def lead_on(case):
    """Lets a sequence go on: answers are data, a list without filters has something in it, and a number that no answer
    has told leads to something that is there."""
    if case.query:
        case.query.pop("format", None)
        if case.method.upper() == "GET":
            case.query.clear()
    number = (case.path_parameters or {}).get("id")
    is_made_up = isinstance(number, int) and (number == EXAMPLE or number > MOST_THINGS)
    if is_made_up and case.operation.path not in SETS_PASSWORDS:
        resource = case.operation.path.split("/")[2]
        case.path_parameters["id"] = first_of("courses" if resource == "rooms" else resource)


def spare_callers(case):
    """Leaves those who call their passwords: staff may give anybody another, and would try nothing more."""
    if case.operation.path in SETS_PASSWORDS and case.path_parameters:
        case.path_parameters["id"] = NOBODY


def choose_one_way(query):
    """Leaves one way through a list, and of cursors the one that everybody knows: that of the first page."""
    asked = [way for way in WAYS if any(name in query for name in way)]
    for way in asked[1:]:
        for name in way:
            if not ("cursor" in asked[0] and name == "limit"):
                query.pop(name, None)
    if "cursor" in query:
        query["cursor"] = ""


def spoil(held, body):
    """Leaves nothing in a form that is no value in JSON, but one there: `on` for true, and nothing for none."""
    for name, value in body.items():
        types = held["properties"].get(name, {}).get("type", "string")
        if "string" not in types and str(value).strip().lower() in FORM_WORDS:
            body[name] = "neither"


def spoil_query(case):
    """Leaves no value that means another one: a parameter that is empty counts as absent, and of several the last counts."""
    for name, value in list((case.query or {}).items()):
        means_another = value == "" or isinstance(value, (list, dict))
        if means_another and not takes_any_text(case, name):
            case.query[name] = "neither"


def takes_any_text(case, name):
    shared = case.operation.schema.raw_schema["components"]["parameters"]
    for parameter in raw_operation(case).get("parameters", []):
        parameter = shared[parameter["$ref"].rsplit("/", 1)[-1]] if "$ref" in parameter else parameter
        if parameter["name"] == name and parameter["in"] == "query":
            held = parameter["schema"]
            return held.get("type") == "string" and "enum" not in held and "pattern" not in held
    return True


def body_schema(case):
    body = raw_operation(case).get("requestBody", {}).get("content", {}).get("application/json", {})
    reference = body.get("schema", {}).get("$ref")
    return components(case)[reference.rsplit("/", 1)[-1]] if reference else None


def name_what_exists(held, body):
    """Numbers and addresses of things lead to some."""
    for name, field in held["properties"].items():
        resource = field.get("x-resource")
        if resource and body.get(name) is not None:
            found = first_of(resource)
            is_list = isinstance(body[name], list)
            if field.get("format") == "uri-reference":
                found = f"/api/{resource}/{found}/"
            body[name] = [found] if is_list else found
        elif name in EXISTING and name in body:
            body[name] = EXISTING[name]


def first_of(resource):
    answer = requests.get(f"{SITE}/api/{resource}/?limit=1", headers=HEADERS, timeout=PATIENCE_SECONDS)
    results = answer.json()["results"] if answer.ok else []
    return results[0]["id"] if results else 1


def raw_operation(case):
    return case.operation.schema.raw_schema["paths"][case.operation.path][case.operation.method.lower()]


def components(case):
    return case.operation.schema.raw_schema["components"]["schemas"]


@schemathesis.check
def refusals_name_their_fields(context, response, case):
    """What the schema takes is at most refused for what there is, and then by the name of the field."""
    is_positive = case.meta is not None and case.meta.generation.mode.is_positive
    content = (response.headers.get("content-type") or [""])[0]
    is_json = content.startswith("application/json")
    if response.status_code == 400 and is_positive and is_json and body_schema(case):
        told = response.json()
        assert "detail" not in told, f"a body that the schema takes cannot be read: {told}"


@schemathesis.check
def whole_things_unless_parts_are_asked_for(context, response, case):
    """The schema allows parts of a thing, for `?fields=`; without that they are faults."""
    content = (response.headers.get("content-type") or [""])[0]
    is_whole = response.status_code == 200 and "fields=" not in (response.request.url or "")
    if not is_whole or not content.startswith("application/json") or response.request.method != case.operation.method.upper():
        return
    answer = raw_operation(case)["responses"].get("200", {})
    held = answer.get("content", {}).get("application/json", {}).get("schema", {})
    whole = first_component(held)
    if whole is None:
        return
    required = components(case)[whole].get("required", [])
    body = response.json()
    things = body if isinstance(body, list) else body.get("results", [body])
    for thing in things:
        missing = [name for name in required if name not in thing]
        assert not missing, f"{whole} without {missing}"


def first_component(held):
    """The name of the component that an answer, or each entry of it, is: the whole comes before its parts."""
    while held:
        if "$ref" in held:
            return held["$ref"].rsplit("/", 1)[-1]
        held = held.get("items") or (held.get("anyOf") or [None])[0]
    return None
