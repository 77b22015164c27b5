"""What a server or the way to it says when it fails, in words for an operator.

obstore tells of a failure in text alone: a line for people with the server's own answer, and below that how the failure came about. All
that is taken from there is taken here.
"""

import re
from dataclasses import dataclass

from obstore.exceptions import AlreadyExistsError, UnauthenticatedError

from understudy.errors import StoreRefused, StoreUnavailable, UnderstudyError
from understudy.store.remote.credentials import HOW_TO_GIVE

_STATUS = re.compile(r"(?:status code: |\(code: )(\d{3})")
_CODE = re.compile(r"<Code>([^<]{1,80})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,400})")
_ASKED = re.compile(r"Error performing (?:GET|PUT|POST|HEAD|DELETE) (https?://[^\s?]+)")
_NOISE = re.compile(r"^Server returned non-2xx status code: \d+[^:]*:?")
_METADATA = re.compile(r"^https?://[^/]+/(?:latest/|metadata/|v2/credentials|[^/]+/oauth2/)|^https?://sts\.")

_NO_CONTAINER = {"NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted", "ContainerDisabled"}
_NO_OBJECT = {"NoSuchKey", "BlobNotFound"}
# What an emulator of Azure says of a path whose first segment is no account of its.
_NO_PLACE = {"ResourceNotFound", "OutOfRangeInput", "InvalidUri"}
_BUSY = {"SlowDown", "RequestTimeout", "ServerBusy", "OperationTimedOut", "InternalError", "ServiceUnavailable", "RequestLimitExceeded"}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}
_WRONG_KEY = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "AuthenticationFailed",
    "AuthorizationFailure",
    "InvalidToken",
    "NoAuthenticationInformation",
}
_WRONG_REGION = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "TemporaryRedirect"}

_BY_ITSELF = "a daemon tries again by itself, a command has to be said again"
_AGAIN = f"look at the way to it; {_BY_ITSELF}"
_MAY_BE_TLS = f"look at the way to it, and whether ?endpoint= should begin with https://; {_BY_ITSELF}"
_CUT = "the connection was cut"
_AUTHORITY = (
    "?ca=/path.pem in the address names the certificate of the authority that signed it; where it does, that is another authority's"
)
# What is looked for in how it came about, what to say, and what to do about it. The first are the same at the next try.
_LASTING = (
    ("UnknownIssuer", "its certificate is signed by nobody whom this host trusts", _AUTHORITY),
    ("BadSignature", "its certificate is signed by nobody whom this host trusts", _AUTHORITY),
    ("CaUsedAsEndEntity", "its certificate is an authority's own", "give the server a certificate that the authority has signed"),
    ("NotValidForName", "its certificate is for another name", "put into the address the name that the certificate is for"),
    ("Expired", "its certificate is not valid any more", "renew the server's certificate, or set this host's clock"),
    ("NotValidYet", "its certificate is not valid yet", "set this host's clock, or the server's"),
    ("InvalidCertificate", "its certificate is not valid", "look at the server's certificate, and name its authority's: ?ca=/path.pem"),
    ("InvalidMessage", "it does not speak TLS there", "look at the port, and whether ?endpoint= should begin with http://"),
)
_PASSING = (
    ("dns error", "its name is not known here", "look at the name, and at this host's resolver"),
    ("ConnectionRefused", "nothing listens there", "is the server running, and the port right?"),
    ("Timeout", "it did not answer in time", _AGAIN),
    ("TimedOut", "it did not answer in time", _AGAIN),
    ("ConnectionReset", _CUT, _AGAIN),
    ("IncompleteMessage", _CUT, _AGAIN),
    ("BrokenPipe", _CUT, _AGAIN),
    ("UnexpectedEof", _CUT, _AGAIN),
)


@dataclass(frozen=True, slots=True)
class Failure:
    """`status`: 0 where no answer came. `code`: the server's own word for it, or empty. `words`: for people, one line.

    `remedy`: what to do, where how it came about tells; `lasting`: and it will be the same at the next try. `metadata`: the instance's
    metadata service was asked, and not the server itself.
    """

    kind: type[BaseException]
    status: int
    code: str
    words: str
    remedy: str = ""
    lasting: bool = False
    metadata: bool = False

    @property
    def exists(self) -> bool:
        """Whether an object of this name is certainly there: the answer to a conditional create that came second.

        A conflict of two at once (S3's ConditionalRequestConflict) says nothing of the kind.
        """
        if not issubclass(self.kind, AlreadyExistsError) or self.code == "LeaseIdMissing":
            return False
        return self.status in (0, 304, 412) or self.code == "BlobAlreadyExists"

    @property
    def absent(self) -> bool:
        """Whether there certainly is no object of this name. A page that some proxy makes up for what it does not find is no answer."""
        return issubclass(self.kind, FileNotFoundError) and (self.code in _NO_OBJECT or not self.status)

    @property
    def past_the_end(self) -> bool:
        """Whether the object is there and ends before the range. Of an empty one Azurite gives bytes 0 to -1."""
        return self.status == 416 or "but object was only" in self.words or '"bytes 0--1/0"' in self.words


def read_failure(error: BaseException) -> Failure:
    """From what obstore raised."""
    said, _, how = str(error).partition("\n\nDebug source:")
    status, code, message, asked = (pattern.search(said) for pattern in (_STATUS, _CODE, _MESSAGE, _ASKED))
    words = ": ".join(match[1].splitlines()[0].strip().rstrip(".") for match in (code, message) if match)
    remedy, lasting = "", False
    if status is None:
        for sign, cause, todo in (*_LASTING, *_PASSING):
            if sign in how:
                words, remedy, lasting = cause, todo, (sign, cause, todo) in _LASTING
                break
        if words == _CUT and asked is not None and asked[1].startswith("http:"):
            remedy = _MAY_BE_TLS
    return Failure(
        type(error),
        int(status[1]) if status else 0,
        code[1] if code else "",
        words or _NOISE.sub("", said.partition("\n")[0].rpartition(" - ")[2])[:300].strip(" .:") or "it did not say why",
        remedy,
        lasting,
        asked is not None and _METADATA.match(asked[1]) is not None,
    )


def without_credentials(failure: Failure) -> bool:
    """Whether none were found: the server itself was not asked."""
    return failure.metadata or (issubclass(failure.kind, UnauthenticatedError) and not failure.status)


def no_credentials(failure: Failure, server: str, kind: str, before: bool) -> UnderstudyError:
    """`before`: there were some before, so that there may be again; else nobody has given any. `kind`: of the store."""
    return (StoreUnavailable if before else StoreRefused)(
        f"no credentials for {server} were found; the metadata service of this instance, which was asked last, said: {failure.words}",
        hint=HOW_TO_GIVE[kind],
    )


def translate(failure: Failure, server: str, what: str, advice: str = "") -> UnderstudyError:
    """The member of our error family. `server`: its name. `what`: which operation on what, like `create s3://bucket/a/b`. `advice`: what to
    do if the server does not know the place at all."""
    refused = advice if advice and failure.code in _NO_PLACE else _refused(failure)
    said = f"{what}: {server}: {failure.words}" + f" (HTTP {failure.status})" * bool(failure.status)
    if refused is not None:
        return StoreRefused(said, hint=refused)
    if failure.remedy:
        return StoreUnavailable(said, hint=failure.remedy)
    if failure.status in (409, 412):
        return StoreUnavailable(said, hint=f"two asked at once, and this is no answer to either; {_BY_ITSELF}")
    if failure.status in (429, 503) or failure.code in _BUSY:
        return StoreUnavailable(said, hint=f"the server has too much to do; {_BY_ITSELF}")
    return StoreUnavailable(said, hint=f"the server's own log may say more; {_BY_ITSELF}")


def timed_out(server: str, what: str, seconds: float) -> StoreUnavailable:
    """No whole answer within that time."""
    return StoreUnavailable(f"{what}: {server} did not answer within {seconds:.0f} s", hint=_AGAIN)


def _refused(failure: Failure) -> str | None:
    """What to do about a failure that will be the same at the next try; None if it may not be."""
    status, code = failure.status, failure.code
    if failure.lasting:
        return failure.remedy
    if code in _BUSY or status in (408, 429) or status >= 500:
        return "this server does not do what a vault needs: use another" if status == 501 else None
    if code in _NO_CONTAINER:
        return "make the bucket or container, and let nobody delete it; understudy makes none"
    if code in _EXPIRED:
        return "renew the credentials: a file that is named in the address is read again every few minutes"
    if code == "RequestTimeTooSkewed":
        return "set this host's clock: it and the server's are too far apart"
    if code in _WRONG_KEY or status == 401:
        return "look at the credentials, and whether they are this account's; ?credentials= in the address says which"
    if status == 403:
        return "these credentials may not do that here: see the policy in docs/operations.md"
    if code in _WRONG_REGION or status in (301, 307, 308) or "without LOCATION" in failure.words:
        return "the bucket is in another region or at another server: ?region= and ?endpoint= in the address"
    if "non-partial response" in failure.words:
        return "this server, or a proxy before it, does not serve parts of objects: use another, or go around the proxy"
    return "the server does not understand what is asked: use another, or look at ?endpoint=" if status in (400, 405, 411, 414) else None
