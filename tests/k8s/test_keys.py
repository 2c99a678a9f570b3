"""A job's ssh keys: the formats that images, sshd and ssh read, made anew each time."""

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from mpiop.k8s.keys import HOST_KEY, KNOWN_HOSTS, USER_KEY, USER_PUBLIC, make_keys


@pytest.fixture(scope="module")
def keys() -> dict[str, bytes]:
    """Give the data of one Secret as its files hold it."""
    return {
        name: base64.b64decode(value, validate=True)
        for name, value in make_keys().items()
    }


def openssh(private: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    """Give the public half as one line of type and key."""
    return private.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )


@pytest.mark.compat("objects.Secret")
def test_the_secret_has_upstreams_keys_and_ours() -> None:
    """Only strings in base64 can be posted as the data of a Secret."""
    data = make_keys()
    assert set(data) == {USER_KEY, USER_PUBLIC, HOST_KEY, KNOWN_HOSTS}
    assert {USER_KEY, USER_PUBLIC} == {"ssh-privatekey", "ssh-publickey"}
    assert all(isinstance(value, str) for value in data.values())


@pytest.mark.compat("objects.Secret")
def test_the_users_key_is_p521_in_sec1_pem(keys: dict[str, bytes]) -> None:
    """The form that images have been given by upstream, without a passphrase."""
    assert keys[USER_KEY].startswith(b"-----BEGIN EC PRIVATE KEY-----\n")
    assert keys[USER_KEY].endswith(b"-----END EC PRIVATE KEY-----\n")
    key = serialization.load_pem_private_key(keys[USER_KEY], password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP521R1)


def test_the_public_key_is_one_line_of_authorized_keys(keys: dict[str, bytes]) -> None:
    """Its type and the key, no comment, and the line is ended."""
    key = serialization.load_pem_private_key(keys[USER_KEY], password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert keys[USER_PUBLIC] == openssh(key) + b"\n"
    kind, _ = keys[USER_PUBLIC].split()
    assert kind == b"ecdsa-sha2-nistp521"


def test_any_host_is_known_by_the_host_key(keys: dict[str, bytes]) -> None:
    """One line of known_hosts, for the ed25519 key that all workers share."""
    assert keys[HOST_KEY].startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----\n")
    key = serialization.load_ssh_private_key(keys[HOST_KEY], password=None)
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    assert keys[KNOWN_HOSTS] == b"* " + openssh(key) + b"\n"


def test_no_key_is_made_twice() -> None:
    """Two jobs share no key, and a host's key is never a user's."""
    first, second = make_keys(), make_keys()
    assert not set(first.values()) & set(second.values())
    assert len(set(first.values())) == len(first)
