"""Sends generated requests to a real server and compares every answer with the OpenAPI document.

No answer may be a 500, or have a status, a media type or a body that the document does not know; nothing that the document
calls invalid may be accepted. Whether something valid by its schema is accepted is not asked: a schema cannot say
everything that must hold between two fields.
"""

import argparse
import base64
import hashlib
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,negative_data_rejection,unsupported_method"
RATE = "{ per_second = 1000000, burst = 1000000 }"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A `grantlog serve` in a directory of its own."""

    def __init__(self, binary, directory):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.output = directory / "output"
        config = directory / "grantlog.toml"
        config.write_text(CONFIGURATION.format(port=port, url=self.url, data=directory / "data", rate=RATE))
        self.log = self.output.open("wb")
        self.process = subprocess.Popen([binary, "serve", "--config", config], stdout=self.log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 30
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{binary} did not start:\n{self.output.read_text()}")
            time.sleep(0.05)
        self.admin_key = re.search(r"^glk_\S+$", self.output.read_text(), re.MULTILINE)[0]

    def is_ready(self):
        try:
            return urllib.request.urlopen(f"{self.url}/readyz").status == 200
        except OSError:
            return False

    def call(self, method, path, body=None, key=None, form=None):
        headers = {"Authorization": f"Bearer {key or self.admin_key}"}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        if form is not None:
            del headers["Authorization"]
            data = urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        try:
            text = urllib.request.urlopen(request).read()
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {path}: {error.code} {error.read().decode()}") from error
        return json.loads(text) if text else None

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


CONFIGURATION = """
listen = "127.0.0.1:{port}"
issuer = "{url}"
interaction_url = "https://app.example.com/interaction"
data_dir = "{data}"

[limits]
per_client = {rate}
per_api_key = {rate}
per_address = {rate}
per_address_registration = {rate}

[registration]
dynamic = "open"

[log]
filter = "warn"
"""


def furnish(server):
    """Puts something of everything into the server; answers what the hooks need."""
    keys, own = {"admin": server.admin_key}, []
    for role in ["consent", "auditor", "resource_server"]:
        made = server.call("POST", "/v1/api-keys", {"name": f"contract {role}", "role": role})
        keys[role] = made["api_key"]
    own += [key["id"] for key in server.call("GET", "/v1/api-keys")["api_keys"]]
    client = server.call("POST", "/v1/clients", {
        "client_name": "Contract", "token_endpoint_auth_method": "none",
        "redirect_uris": ["https://app.example.com/callback"], "scope": "openid email offline_access",
    })
    secret_client = server.call("POST", "/v1/clients", {"client_name": "Machine", "client_type": "machine", "scope": ""})
    resource_server = server.call("POST", "/v1/resource-servers", {"identifier": "https://api.example.com/notes", "name": "Notes", "scopes": "notes.read"})
    issuer = server.call("POST", "/v1/trusted-issuers", {
        "issuer": "https://login.example.com", "audience": "grantlog", "jwks_uri": "https://login.example.com/jwks", "algorithms": ["RS256"],
        "origins": ["https://app.example.com"],
    })
    server.call("PUT", "/v1/policy", {"document": {"resources": [], "roles": [], "scopes": []}})
    request = authorize(server, client["client_id"])
    tokens = redeem(server, client["client_id"], authorize(server, client["client_id"], decide=True))
    grant = server.call("GET", "/v1/subjects/ana/grants")["grants"][0]
    authorize(server, client["client_id"], decide=True, person="zoe")
    erasure = server.call("POST", "/v1/subjects/zoe/erase")
    by_client = {"client_id": secret_client["client_id"]}
    ids = {
        "/v1/clients/{client_id}": {"client_id": client["client_id"]},
        "/v1/clients/{client_id}/suspend": by_client,
        "/v1/clients/{client_id}/resume": by_client,
        "/v1/clients/{client_id}/secret-rotation": by_client,
        "/v1/clients/{client_id}/secret-rotation/complete": by_client,
        "/v1/authorization-requests/{id}": {"id": request["id"]},
        "/v1/authorization-requests/{id}/subject": {"id": request["id"]},
        "/v1/authorization-requests/{id}/decision": {"id": request["id"]},
        "/v1/subjects/{id}/grants": {"id": "ana"},
        "/v1/subjects/{id}/grants/{grant_id}": {"id": "ana", "grant_id": grant["id"]},
        "/v1/organizations/{id}/policy": {"id": "acme"},
        "/v1/organizations/{id}/connected-apps": {"id": "acme"},
        "/v1/organizations/{id}/connected-apps/{client_id}": {"id": "acme", "client_id": client["client_id"]},
        "/v1/subjects/{id}/roles": {"id": "ana"},
        "/v1/subjects/{id}/sessions": {"id": "ana"},
        "/v1/audit/erasures/{id}": {"id": erasure["id"]},
        "/v1/resource-servers/{id}": {"id": resource_server["id"]},
        "/v1/resource-servers/{id}/credentials": {"id": resource_server["id"]},
        "/resource-servers/{id}/oauth-protected-resource": {"id": resource_server["id"]},
        "/v1/trusted-issuers/{id}": {"id": issuer["id"]},
        "/v1/policy/versions/{version}": {"version": "1"},
        "/docs/{file}": {"file": "index.css"},
        "/console/{file}": {"file": "app.mjs"},
    }
    return {"keys": keys, "own_key_ids": own, "access_token": tokens["access_token"], "ids": ids}


def authorize(server, client_id, decide=False, person="ana"):
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    query = urllib.parse.urlencode({
        "response_type": "code", "client_id": client_id, "redirect_uri": "https://app.example.com/callback",
        "scope": "openid email", "state": "s", "code_challenge": challenge, "code_challenge_method": "S256",
    })
    subject = {"id": person, "auth_time": int(time.time()), "claims": {"email": "ana@example.com"}}
    request = server.call("POST", "/v1/authorization-requests", {"query": query, "subject": subject})
    return server.call("POST", f"/v1/authorization-requests/{request['id']}/decision", {"decision": "approve"}) if decide else request


def redeem(server, client_id, decided):
    code = urllib.parse.parse_qs(urllib.parse.urlsplit(decided["redirect_to"]).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "client_id": client_id, "code_verifier": VERIFIER,
            "redirect_uri": "https://app.example.com/callback"}
    return server.call("POST", "/oauth2/token", form=form)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=HERE.parent.parent / "target/debug/grantlog", type=pathlib.Path)
    parser.add_argument("--examples", default=30, type=int, help="requests generated for each operation")
    parser.add_argument("--seed", default="1")
    options, more = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="grantlog-contract-") as directory:
        server = Server(options.binary, pathlib.Path(directory))
        try:
            world = furnish(server)
            command = [
                pathlib.Path(sys.executable).parent / "schemathesis", "--config-file", HERE / "schemathesis.toml",
                "run", f"{server.url}/openapi.json",
                "--phases", "examples,coverage,fuzzing,stateful", "--checks", CHECKS, "-n", str(options.examples), "--seed", options.seed,
                "--continue-on-failure", "--warnings", "off", *more,
            ]
            environment = {**os.environ, "GRANTLOG_WORLD": json.dumps(world), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(HERE)}
            code = subprocess.run(command, env=environment, cwd=directory).returncode
            if not server.is_ready():
                print(f"the server is not ready any more:\n{server.output.read_text()}")
                code = 1
            bugs = [line for line in server.output.read_text().splitlines() if '"bug"' in line or "panicked" in line]
            if bugs:
                print("the server's log tells of bugs:", *bugs, sep="\n")
                code = 1
        finally:
            server.stop()
    sys.exit(code)


if __name__ == "__main__":
    main()
