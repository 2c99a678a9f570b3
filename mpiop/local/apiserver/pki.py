"""The embedded cluster's certificate authority, server certificate and kubeconfig."""

import base64
import ipaddress
import secrets
import ssl
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Self

import attrs
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_NAMES: Final = (
    "localhost",
    "127.0.0.1",
    "::1",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
)
_VALID: Final = timedelta(days=365)
_SKEW: Final = timedelta(minutes=5)
_CONTEXT: Final = "mpiop"


@attrs.frozen
class Pki:
    """What a server proves itself with, and the administrator's token."""

    ca_pem: bytes
    admin_token: str = attrs.field(repr=False)
    chain_pem: bytes = attrs.field(repr=False)

    @classmethod
    def create(cls, addresses: Sequence[str]) -> Self:
        """Make new keys; the certificate is for `addresses` and this machine's names.

        The authority's key is thrown away: nothing else will ever be signed with it.
        """
        authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        authority = _authority(authority_key)
        names = dict.fromkeys([*_NAMES, *addresses])
        certificate = _server_certificate(key, authority, authority_key, list(names))
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        pem = serialization.Encoding.PEM
        chain = private + certificate.public_bytes(pem)
        return cls(authority.public_bytes(pem), secrets.token_urlsafe(32), chain)

    def ssl_context(self) -> ssl.SSLContext:
        """Give the server's side of TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # The standard library reads keys from files only.
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.chain_pem)
            file.flush()
            context.load_cert_chain(file.name)
        return context


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _VALID)
        .add_extension(identifier, critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _name("mpiop-ca")
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    return (
        _builder(name, name, key.public_key())
        .add_extension(constraints, critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _server_certificate(
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    names: Sequence[str],
) -> x509.Certificate:
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(
        authority_key.public_key()
    )
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    alternatives = x509.SubjectAlternativeName([_general(name) for name in names])
    return (
        _builder(_name("kube-apiserver"), authority.subject, key.public_key())
        .add_extension(issuer, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(purposes, critical=False)
        .add_extension(alternatives, critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def kubeconfig(url: str, pki: Pki) -> str:
    """Write the administrator's kubeconfig for a server at `url`, as YAML."""
    authority = base64.b64encode(pki.ca_pem).decode()
    cluster = {"server": url, "certificate-authority-data": authority}
    context = {"cluster": _CONTEXT, "user": _CONTEXT, "namespace": "default"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": _CONTEXT, "cluster": cluster}],
        "users": [{"name": _CONTEXT, "user": {"token": pki.admin_token}}],
        "contexts": [{"name": _CONTEXT, "context": context}],
        "current-context": _CONTEXT,
    }
    text: str = yaml.safe_dump(config, sort_keys=False)
    return text
