"""Certificates that understudy makes: an authority for each serving site, what proves that site, and what proves each of its peers.

A site's leaf may only serve, a peer's may only ask (extended key usage), so that neither can stand for the other.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from understudy.errors import InvalidRequest, StateFailed
from understudy.pairing.key import is_peer_id
from understudy.pairing.tls import SITE

AUTHORITY = timedelta(days=50 * 365)
PEER = timedelta(days=20 * 365)
LEAF = timedelta(days=90)
RENEW = timedelta(days=30)
"""What a leaf must still have when it is looked at; else there is a new one."""

_BACK = timedelta(days=1)
"""How far clocks of sites may differ."""


class Authority(NamedTuple):
    """A serving site's own. What it signs is believed by who knows the hash of its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pin(self) -> str:
        return pin_of(self.pem)

    @property
    def pem(self) -> str:
        return _pem(self.certificate)

    def to_file(self) -> bytes:
        return _private(self.key) + self.pem.encode()


class Request(NamedTuple):
    """A new private key, and what asks to have its public one signed. PEM."""

    private_key: str
    request: str


def pin_of(pem: str) -> str:
    """SHA-256 of a certificate, in hex. ValueError if it is none."""
    certificate = x509.load_pem_x509_certificate(pem.encode())
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def new_authority(name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _named(f"understudy {name}"[:64])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = _builder(subject, subject, key.public_key(), AUTHORITY)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).add_extension(usage, critical=True)
    return Authority(key, builder.sign(key, hashes.SHA256()))


def read_authority(data: bytes) -> Authority:
    """`StateFailed` if it is not what `to_file` gave."""
    try:
        key = serialization.load_pem_private_key(data, None)
        certificate = x509.load_pem_x509_certificate(data[data.index(b"-----BEGIN CERTIFICATE") :])
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise StateFailed(
            f"this site's authority cannot be read: {error}", hint="bring it back from a copy of the state directory"
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise StateFailed("this site's authority has another key", hint="bring it back from a copy of the state directory")
    return Authority(key, certificate)


def new_leaf(authority: Authority, days: float = LEAF.days) -> bytes:
    """What proves the site to its peers: private key, certificate and authority, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _signed(authority, _named(SITE), key.public_key(), timedelta(days=days), ExtendedKeyUsageOID.SERVER_AUTH)
    return _private(key) + _pem(certificate).encode() + authority.pem.encode()


def is_fresh(authority: Authority, leaf: bytes, now: datetime | None = None) -> bool:
    """Whether a leaf is of this authority and may be used for a while."""
    now = now or datetime.now(UTC)
    try:
        certificate = x509.load_pem_x509_certificate(leaf[leaf.index(b"-----BEGIN CERTIFICATE") :])
        certificate.verify_directly_issued_by(authority.certificate)
        serialization.load_pem_private_key(leaf, None)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - RENEW


def is_peers(certificate: str, authority: str) -> bool:
    """Whether a site of this authority, PEM, can have given a peer this certificate, PEM. ValueError if either is none."""
    mine = x509.load_pem_x509_certificate(certificate.encode())
    try:
        mine.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.encode()))
        usage = mine.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return ExtendedKeyUsageOID.CLIENT_AUTH in usage


def new_request() -> Request:
    key = ec.generate_private_key(ec.SECP256R1())
    return Request(_private(key).decode(), _request(key))


def request_of(private_key: str) -> str:
    """The request for a private key that is there already. ValueError or TypeError if it is none of ours."""
    key = serialization.load_pem_private_key(private_key.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("not a key of the kind that is made here")
    return _request(key)


def public_key_of(request: str) -> str:
    """The hash of the public key to be signed, in hex. `InvalidRequest` if its sender does not prove to have the private one."""
    return hashlib.sha256(
        _read_request(request).public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ).hexdigest()


def sign_peer(authority: Authority, request: str, peer: str, lasting: timedelta = PEER) -> str:
    """The certificate of the peer with this id. PEM. `InvalidRequest` as `public_key_of`: of the request, the key alone counts."""
    assert is_peer_id(peer)
    key = _read_request(request).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return _pem(_signed(authority, _named(peer), key, lasting, ExtendedKeyUsageOID.CLIENT_AUTH))


def _read_request(request: str) -> x509.CertificateSigningRequest:
    try:
        read = x509.load_pem_x509_csr(request.encode())
        right = read.is_signature_valid and isinstance(read.public_key(), ec.EllipticCurvePublicKey)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidRequest(f"this asks for no certificate: {error}") from None
    if not right:
        raise InvalidRequest("this asks for a certificate of a key that its sender does not have, or of another kind")
    return read


def _request(key: ec.EllipticCurvePrivateKey) -> str:
    request = x509.CertificateSigningRequestBuilder().subject_name(_named("understudy")).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def _signed(
    authority: Authority, subject: x509.Name, key: ec.EllipticCurvePublicKey, lasting: timedelta, usage: x509.ObjectIdentifier
) -> x509.Certificate:
    builder = _builder(subject, authority.certificate.subject, key, lasting)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
    if usage == ExtendedKeyUsageOID.SERVER_AUTH:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(SITE)]), critical=False)
    return builder.sign(authority.key, hashes.SHA256())


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, lasting: timedelta) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    return builder.serial_number(x509.random_serial_number()).not_valid_before(now - _BACK).not_valid_after(now + lasting)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
