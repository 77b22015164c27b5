"""An S3 server whose object lock is not what it says, a way for each bucket: `python -m tests.store.lying_s3 PORT`.

moto as it is lets a lock in compliance mode be shortened: `shortens`. The others refuse that, and break something else.
"""

import sys
from typing import Any

from moto.s3.exceptions import AccessDeniedByLock
from moto.s3.models import FakeKey, S3Backend
from werkzeug.serving import make_server

from tests.store.moto_process import application

_is_locked, _put_object_retention = FakeKey.is_locked, S3Backend.put_object_retention


def is_locked(key: FakeKey, governance_bypass: bool) -> bool:
    bucket = key.bucket_name
    ignored = bucket.startswith("deletes") or (bucket == "bypassed" and governance_bypass)
    return not ignored and _is_locked(key, governance_bypass)


def put_object_retention(backend: S3Backend, bucket_name: str, key_name: str, version_id: str | None, retention: tuple[Any, Any]) -> None:
    if bucket_name == "forgets":
        return
    key = backend.get_object(bucket_name, key_name, version_id=version_id)
    shorter = key.lock_mode == "COMPLIANCE" and (retention[0] != "COMPLIANCE" or retention[1] < key.lock_until)
    if shorter and bucket_name != "shortens":
        raise AccessDeniedByLock
    _put_object_retention(backend, bucket_name, key_name, version_id, retention)


if __name__ == "__main__":
    FakeKey.is_locked = is_locked
    S3Backend.put_object_retention = put_object_retention
    make_server("127.0.0.1", int(sys.argv[1]), application(), threaded=True).serve_forever()
