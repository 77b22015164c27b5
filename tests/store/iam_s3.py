"""moto's S3 with users and their policies: `python -m tests.store.iam_s3`. Until told otherwise at /moto-api/reset-auth anybody may do all.

Signatures, actions and resources are moto's own. Conditions it does not know; those that our policies have are judged here, as Amazon
documents them: a statement whose condition does not hold does not apply.
"""

import re
from typing import Any

from flask import request
from moto.iam.access_control import IAMPolicyStatement, PermissionResult
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from tests.store.moto_process import in_turn

_is_action_permitted = IAMPolicyStatement.is_action_permitted


def holds(operator: str, key: str, wanted: list[str]) -> bool:
    found = {"s3:prefix": request.args.get("prefix"), "s3:if-none-match": request.headers.get("If-None-Match")}[key]
    match operator:
        case "Null":
            return wanted == [str(found is None).lower()]
        case "StringLike":
            return found is not None and any(re.fullmatch(re.escape(each).replace(r"\*", ".*"), found) for each in wanted)
    raise NotImplementedError(operator)


def is_action_permitted(statement: IAMPolicyStatement, *arguments: Any) -> PermissionResult:
    said = dict(statement._statement)
    for operator, keys in said.pop("Condition", {}).items():
        for key, wanted in keys.items():
            if not holds(operator, key, [wanted] if isinstance(wanted, str) else wanted):
                return PermissionResult.NEUTRAL
    return _is_action_permitted(IAMPolicyStatement(said), *arguments)


if __name__ == "__main__":
    IAMPolicyStatement.is_action_permitted = is_action_permitted
    server = make_server("127.0.0.1", 0, in_turn(DomainDispatcherApplication(create_backend_app)), threaded=True)
    print(f"listens on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
