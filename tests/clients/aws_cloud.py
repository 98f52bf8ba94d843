"""Holds what the site says to AWS, and hears from it, against AWS's own description and moto's SNS.

Usage: aws_cloud.py PROGRAM JOBS, in a Python that has moto[server]; PROGRAM is the built `lyceum`, JOBS the file of
jobs that it asks MediaConvert for.

moto signs what its SNS posts, with a key of its own, but names a certificate at amazonaws.com that nobody can
fetch. The address of the certificate is not part of what is signed: here it becomes one of ours, where a
certificate for moto's key lies.
"""

import contextlib
import datetime
import gzip
import http.server
import ipaddress
import json
import logging
import os
import pathlib
import queue
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import botocore
import boto3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)

PATIENCE_SECONDS = 60
REGION = "eu-central-1"


# --- Jobs against the service's own description --------------------------------------------------


class Model:
    """The shapes of MediaConvert's API, as AWS publishes them in botocore."""

    def __init__(self):
        folder = pathlib.Path(botocore.__file__).parent / "data" / "mediaconvert" / "2017-08-29"
        with gzip.open(folder / "service-2.json.gz") as file:
            self.shapes = json.load(file)["shapes"]

    def faults(self, name, value, path="job"):
        """What is wrong with a value on the wire: unknown members, wrong types, values out of bounds."""
        shape = self.shapes[name]
        check = getattr(self, "of_" + shape["type"], None)
        if check is None:
            return [f"{path}: nobody knows how to check a {shape['type']}"]
        return check(shape, value, path)

    def of_structure(self, shape, value, path):
        if not isinstance(value, dict):
            return [f"{path}: an object is expected"]
        members = {member.get("locationName", name): member["shape"] for name, member in shape["members"].items()}
        faults = [f"{path}.{name}: there is no such member" for name in value if name not in members]
        required = [shape["members"][name].get("locationName", name) for name in shape.get("required", [])]
        faults += [f"{path}.{name}: is missing" for name in required if name not in value]
        for name in value.keys() & members.keys():
            faults += self.faults(members[name], value[name], f"{path}.{name}")
        return faults

    def of_list(self, shape, value, path):
        member = shape["member"]["shape"]
        return [fault for at, one in enumerate(value) for fault in self.faults(member, one, f"{path}[{at}]")]

    def of_map(self, shape, value, path):
        member = shape["value"]["shape"]
        return [fault for key, one in value.items() for fault in self.faults(member, one, f"{path}.{key}")]

    def of_string(self, shape, value, path):
        if not isinstance(value, str):
            return [f"{path}: text is expected"]
        if value not in shape.get("enum", [value]):
            return [f"{path}: {value} is none of {shape['enum']}"]
        if "pattern" in shape and not re.search(shape["pattern"], value):
            return [f"{path}: {value} does not fit {shape['pattern']}"]
        return [] if len(value) <= shape.get("max", len(value)) else [f"{path}: too long"]

    def of_integer(self, shape, value, path):
        if not isinstance(value, int) or isinstance(value, bool):
            return [f"{path}: a whole number is expected"]
        return self.of_double(shape, value, path)

    def of_double(self, shape, value, path):
        within = shape.get("min", value) <= value <= shape.get("max", value)
        return [] if within else [f"{path}: {value} is out of bounds"]


def check_jobs(path):
    model = Model()
    jobs = json.loads(pathlib.Path(path).read_text())
    faults = [fault for name, job in jobs.items() for fault in model.faults("CreateJobRequest", job, name)]
    if not jobs or faults:
        sys.exit("MediaConvert would refuse:\n" + "\n".join(faults))
    print(f"mediaconvert: {len(jobs)} jobs are as AWS describes them")


# --- Messages of moto's SNS ------------------------------------------------------------------------


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def certificate(names, key, issuer_name, issuer_key, is_root=False):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer_name)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
    )
    if not is_root:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(usage, critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Desk(http.server.ThreadingHTTPServer):
    """Takes what is posted, and hands out pages."""

    daemon_threads = True

    def __init__(self, pages=None, tls=None):
        super().__init__(("127.0.0.1", 0), Clerk)
        self.pages = pages or {}
        self.posted = queue.Queue()
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass


class Clerk(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        page = self.server.pages.get(self.path, b"")
        self.send_response(200 if page else 404)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def do_POST(self):
        self.server.posted.put(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def publish(moto_url, texts):
    """Lets moto's SNS post these texts; answers its topic and what it has posted."""
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    sns = boto3.client("sns", region_name=REGION, endpoint_url=moto_url, **keys)
    topic = sns.create_topic(Name="lectures")["TopicArn"]
    desk = Desk()
    url = f"http://127.0.0.1:{desk.server_port}/"
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=url)
    posted = []
    for text in texts:
        sns.publish(TopicArn=topic, Message=text)
        posted.append(json.loads(desk.posted.get(timeout=PATIENCE_SECONDS)))
    return topic, posted


@contextlib.contextmanager
def site(program, folder, settings):
    host = f"127.0.0.1:{free_port()}"
    environment = {**os.environ, "LYCEUM_DATA": str(folder), "LYCEUM_LISTEN": host, **settings}
    server = subprocess.Popen(
        [program, "serve"], env=environment, cwd=folder, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                urllib.request.urlopen(f"http://{host}/healthz").close()
                break
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > deadline:
                    sys.exit("the site did not start")
                time.sleep(0.05)
        yield f"http://{host}"
    finally:
        server.terminate()
        server.wait()


def status_of(url, message):
    body = json.dumps(message).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "text/plain; charset=UTF-8"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def check_messages(program, folder):
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    moto.start()
    try:
        moto_url = f"http://127.0.0.1:{moto._port}"
        texts = ['{"state":"COMPLETED","jobId":"1"}', '{"state":"ERROR","jobId":"zwei \u00fc \\n"}']
        topic, posted = publish(moto_url, texts)
        path = urllib.parse.urlsplit(posted[0]["SigningCertURL"]).path
        # moto tells by the scope of a signature which of its services is asked.
        scope = f"AWS4-HMAC-SHA256 Credential=test/20260302/{REGION}/sns/aws4_request"
        request = urllib.request.Request(moto_url + path, headers={"Authorization": scope})
        with urllib.request.urlopen(request) as answer:
            moto_key = x509.load_pem_x509_certificate(answer.read()).public_key()
    finally:
        moto.stop()
    root_key, tls_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = folder / "root.pem"
    root.write_bytes(certificate("root", root_key.public_key(), "root", root_key, is_root=True))
    pem = tls_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    tls = folder / "tls.pem"
    tls.write_bytes(pem + certificate("tls", tls_key.public_key(), "root", root_key))
    desk = Desk({"/moto.pem": certificate("moto", moto_key, "root", root_key)}, tls)
    host = f"127.0.0.1:{desk.server_port}"
    settings = {"LYCEUM_SNS_TOPICS": topic, "LYCEUM_SNS_TRUST": f"{host}={root}"}
    with site(program, folder, settings) as url:
        hook = f"{url}/hooks/transcode/"
        for message in posted:
            told = [status_of(hook, message)]
            message["SigningCertURL"] = f"https://{host}/moto.pem"
            told += [status_of(hook, message), status_of(hook, message)]
            told.append(status_of(hook, {**message, "MessageId": "another"}))
            # Amazon's host is asked for its certificate, if it can be reached; it does not have moto's.
            if told[0] not in (403, 503) or told[1:] != [200, 200, 403]:
                sys.exit(f"the site answers {told} to {message}")
    print(f"sns: {len(posted)} messages that moto has signed are believed, and no other")


def main():
    check_jobs(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        check_messages(sys.argv[1], pathlib.Path(folder))


if __name__ == "__main__":
    main()
