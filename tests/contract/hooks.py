"""What a generated request needs to know of the server that it is sent to.

Which API key an operation takes stands in its security requirement. Ids that the schema can only call "a string" are,
every other time, those of things that exist, so that requests get past the door; the API keys that the run itself
needs are left alone.
"""

import json
import os

import schemathesis

WORLD = json.loads(os.environ["GRANTLOG_WORLD"])
_turn = 0


def _every_other_time():
    global _turn
    _turn += 1
    return _turn % 2 == 0


def _roles(operation):
    """The roles that may call it, as the document says; none for what takes no API key."""
    requirements = operation.definition.raw.get("security", [])
    return [role for requirement in requirements for role in requirement.get("ApiKey", [])]


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    if not path_parameters or context.operation is None:
        return path_parameters
    known = WORLD["ids"].get(context.operation.path, {})
    if known and _every_other_time():
        return {**path_parameters, **{name: value for name, value in known.items() if name in path_parameters}}
    return path_parameters


@schemathesis.hook
def before_call(context, case, kwargs):
    roles = _roles(case.operation)
    if roles:
        role = "resource_server" if "resource_server" in roles and "admin" not in roles else roles[0]
        case.headers["Authorization"] = f"Bearer {WORLD['keys'][role]}"
    elif any("AccessToken" in requirement for requirement in case.operation.definition.raw.get("security", [])):
        case.headers["Authorization"] = f"Bearer {WORLD['access_token']}"


@schemathesis.hook
def filter_path_parameters(context, path_parameters):
    operation = context.operation
    is_own_key = operation is not None and operation.path == "/v1/api-keys/{id}" and (path_parameters or {}).get("id") in WORLD["own_key_ids"]
    return not is_own_key
