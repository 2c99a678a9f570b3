"""Makes a job's ssh keys: the one for users and, where we run sshd, its host key."""

import base64
from collections.abc import Mapping

USER_KEY = "ssh-privatekey"
USER_PUBLIC = "ssh-publickey"
HOST_KEY = "host-privatekey"
KNOWN_HOSTS = "known_hosts"


def make_keys() -> Mapping[str, str]:
    """Make the data of an ssh Secret, in base64 as the API wants it.

    The user key is ECDSA P-521 in PEM, as upstream's; images rely on that. The host
    key serves every worker of the job, so one line of known_hosts knows them all.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    public = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    plain = serialization.NoEncryption()
    user = ec.generate_private_key(ec.SECP521R1())
    host = ed25519.Ed25519PrivateKey.generate()
    sec1 = serialization.PrivateFormat.TraditionalOpenSSL
    openssh = serialization.PrivateFormat.OpenSSH
    data = {
        USER_KEY: user.private_bytes(serialization.Encoding.PEM, sec1, plain),
        USER_PUBLIC: user.public_key().public_bytes(*public) + b"\n",
        HOST_KEY: host.private_bytes(serialization.Encoding.PEM, openssh, plain),
        KNOWN_HOSTS: b"* " + host.public_key().public_bytes(*public) + b"\n",
    }
    return {name: base64.b64encode(value).decode() for name, value in data.items()}
