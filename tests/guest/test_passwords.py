"""Key exchange, both derivations, padding, and hashes that root can log in with."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from plugin.guest.command import secret
from plugin.guest.command.registry import Commands
from plugin.guest.command.shadow import crypt, new_hash, replace_hash
from plugin.guest.command.standard import STANDARD
from plugin.guest.command.surroundings import Surroundings
from plugin.guest.machine import Machine

SECRET = "12345678901234567890"


def encrypted(plain: bytes, shared: str, digest: str = "md5") -> bytes:
    """Encrypt, padded by the caller."""
    raw = shared.encode()
    if digest == "md5":
        key = hashlib.md5(raw).digest()
        vector = hashlib.md5(key + raw).digest()
    else:
        both = hashlib.sha256(raw).digest()
        key, vector = both[:16], both[16:]
    cipher = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    return cipher.update(plain) + cipher.finalize()


def padded(plain: bytes) -> bytes:
    """Add PKCS#7's padding."""
    count = 16 - len(plain) % 16
    return plain + bytes([count]) * count


@given(
    text=st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=60),
    digest=st.sampled_from(["md5", "sha256"]),
)
def test_what_either_openssl_encrypts_is_read(text: str, digest: str) -> None:
    """MD5 and SHA-256 as derivation give the text, without the newline that Nova adds."""
    data = encrypted(padded(text.encode() + b"\n"), SECRET, digest)
    assert secret.decrypt(data, SECRET) == text


@pytest.mark.parametrize(
    "plain",
    [b"x" * 15 + b"\x00", b"x" * 14 + b"\x03\x02", b"x" * 15 + b"\x11", b"\xff" * 15 + b"\x01"],
)
def test_wrong_padding_and_garbage_are_refused(plain: bytes) -> None:
    """Every byte of the padding counts, and what is no text is no password."""
    with pytest.raises(secret.BadSecret, match="Invalid password data received"):
        secret.decrypt(encrypted(plain, SECRET), SECRET)


def test_garbage_is_never_taken_for_a_password() -> None:
    """Of a thousand blocks of another key none passes; the original took one in sixteen."""
    for number in range(1000):
        data = encrypted(padded(b"password"), f"{SECRET}{number}")
        with pytest.raises(secret.BadSecret):
            secret.decrypt(data, SECRET)


@pytest.mark.parametrize("key", [0, 1, -1, secret.PRIME - 1, secret.PRIME, "1"])
def test_keys_that_give_the_secret_away_are_refused(key: object) -> None:
    """A public key of 0, 1 or -1 leaves two possible secrets."""
    with pytest.raises(secret.BadSecret):
        secret.peer_key(key)
    assert secret.peer_key(key, strict=False) is not None


@pytest.mark.parametrize(
    ("old", "beginning"),
    [
        ("$6$abcdefgh$x", "$6$"),
        ("$6$rounds=5000$abcdefgh$x", "$6$rounds=5000$"),
        ("$5$abcdefgh$x", "$5$"),
        ("$y$j9T$F5Jx5fExrKuPp53xLKQ..1$x", "$y$j9T$"),
        ("$1$abc$x", "$y$j9T$"),
        ("*", "$y$j9T$"),
        ("!", "$y$j9T$"),
        ("!$6$abcdefgh$x", "$6$"),
        ("", "$y$j9T$"),
    ],
)
def test_a_new_hash_is_good_and_of_a_good_kind(old: str, beginning: str) -> None:
    """crypt(3) agrees with it; locked and weak ones become this system's best kind."""
    made = new_hash("correct horse", old, lambda count: bytes(range(7, 7 + count)))
    assert made.startswith(beginning) or (beginning == "$y$j9T$" and made.startswith("$6$"))
    assert crypt("correct horse", made) == made
    assert crypt("wrong horse", made) != made


def test_only_one_line_changes() -> None:
    """The other lines of /etc/shadow stay as they are; no such user is None, not success."""
    text = "bin:*:1::::::\nroot:!:1:0:99999:7:::\nx:y\n"
    new = replace_hash(text, "root", lambda old: old + "new", 20000)
    assert new == "bin:*:1::::::\nroot:!new:20000:0:99999:7:::\nx:y\n"
    assert replace_hash(text, "nobody", lambda old: old, 1) is None


def agent(root: Path) -> Commands:
    """Give commands below a root."""
    return Commands(STANDARD, Surroundings(Machine(str(root))))


def exchanged(commands: Commands) -> str:
    """Exchange keys, and give the secret."""
    private = 987654321987654321
    code, public = commands.run_command("keyinit", str(secret.public_key(private)))
    assert code == "D0"
    return secret.shared_secret(private, int(public))


def test_a_key_serves_once(tmp_path: Path) -> None:
    """After a success, and after a failure, the next password needs another exchange."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "shadow").write_text("root:*:1::::::\n")
    commands = agent(tmp_path)
    for good in (True, False):
        shared = exchanged(commands)
        raw = padded(b"new") if good else b"\x00" * 16
        data = base64.b64encode(encrypted(raw, shared)).decode()
        assert commands.run_command("password", data)[0] == (0 if good else 500)
        assert commands.run_command("password", data) == (500, "Password without key exchange")
    assert crypt("new", (tmp_path / "etc" / "shadow").read_text().split(":")[1])


def test_no_root_is_an_error(tmp_path: Path) -> None:
    """Where there is no line for root nothing was done, and that is said."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "shadow").write_text("bin:*:1::::::\n")
    commands = agent(tmp_path)
    data = base64.b64encode(encrypted(padded(b"new"), exchanged(commands))).decode()
    code, message = commands.run_command("password", data)
    assert (code, "no user 'root'" in message) == (500, True)
