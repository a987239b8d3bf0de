"""No connection to a host whose key is not the one we know, and a fix that is the right one."""

import shutil
import subprocess

import paramiko
import pytest

from pipeline.board.ssh import hostkeys
from pipeline.errors import BoardUnreachable
from tests.board.ssh.servers import SFTP, make_key


def works(transport):
    return transport.exec(["true"], timeout_s=20).status == 0


def run_the_fix(text):
    """Run the command between the backquotes of an error's last line."""
    command = text.rsplit("\n", 1)[1].split("`")[1]
    subprocess.run(["sh", "-c", command], check=True, capture_output=True)


def test_a_hashed_file(sshd, connect, tmp_path):
    file = tmp_path / "hashed"
    shutil.copyfile(sshd.known_hosts, file)
    subprocess.run(["ssh-keygen", "-H", "-f", str(file)], check=True, capture_output=True)
    assert "127.0.0.1" not in file.read_text()
    assert works(connect(sshd, known_hosts=file))


def test_an_unknown_key_is_refused_until_the_named_command_accepts_it(
    sshd, connect, refused, tmp_path
):
    file = tmp_path / "new" / "known hosts of '%h' and me"
    text = refused(BoardUnreachable, connect, sshd, known_hosts=file)
    assert "its host key is not known" in text and sshd.fingerprint() in text
    run_the_fix(text)
    assert works(connect(sshd, known_hosts=file))


def test_a_changed_key_is_refused_until_the_named_command_accepts_it(
    sshd, connect, refused, tmp_path
):
    file = tmp_path / "known_hosts"
    other = sshd.line(make_key(tmp_path / "other"))
    file.write_text("# mine\n" + other)
    text = refused(BoardUnreachable, connect, sshd, known_hosts=file)
    assert f"not the one of {file}:2" in text and sshd.fingerprint() in text
    run_the_fix(text)
    assert works(connect(sshd, known_hosts=file)) and other not in file.read_text()


def test_a_revoked_key_is_refused(sshd, connect, refused, tmp_path):
    file = tmp_path / "known_hosts"
    line = sshd.known_hosts.read_text()
    file.write_text(line + "@revoked " + line.replace(f"[127.0.0.1]:{sshd.port}", "*"))
    assert "revoked" in refused(BoardUnreachable, connect, sshd, known_hosts=file)


def test_a_host_known_by_one_of_its_keys_shows_that_one(make_sshd, connect):
    server = make_sshd(kinds=("ed25519", "rsa", "ecdsa"))
    for line in server.known_hosts.read_text().splitlines():
        server.known_hosts.write_text(line + "\n")
        assert works(connect(server))


def test_the_bare_name_counts_for_another_port(sshd, connect, tmp_path):
    file = tmp_path / "known_hosts"
    file.write_text(sshd.known_hosts.read_text().replace(f"[127.0.0.1]:{sshd.port}", "127.0.0.1"))
    assert works(connect(sshd, known_hosts=file))


def test_a_host_key_alias(sshd, connect, refused, tmp_path):
    file, config = tmp_path / "known_hosts", tmp_path / "config"
    config.write_text("Host board\n HostName 127.0.0.1\n HostKeyAlias the-board\n")
    options = {"host": "board", "config": config, "known_hosts": file}
    run_the_fix(refused(BoardUnreachable, connect, sshd, **options))
    assert file.read_text().startswith("the-board ssh-ed25519 ")
    assert works(connect(sshd, **options))


def test_no_host_key_type_in_common(make_sshd, connect, refused):
    server = make_sshd(kinds=("rsa",), lines=(SFTP, "HostKeyAlgorithms ssh-rsa"))
    assert "no algorithm in common" in refused(BoardUnreachable, connect, server)


@pytest.mark.parametrize(
    "patterns",
    [
        "board", "BOARD", "b*", "b?ard", "*", "other", "board,!board", "!board,*", "!other,board",
        "[board]:22", "[board]:*", "*.lan,board", "b[o]ard", "board.", "bo",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["board", "[board]:2222", "board.lan"])
def test_patterns_mean_what_openssh_takes_them_for(tmp_path, user_key, patterns, name):
    file = tmp_path / "known_hosts"
    kind, blob, *_ = user_key.with_suffix(".pub").read_text().split()
    file.write_text(f"{patterns} {kind} {blob}\n")
    command = ["ssh-keygen", "-F", name, "-f", str(file)]
    theirs = subprocess.run(command, capture_output=True).returncode == 0
    assert bool(list(hostkeys._read(file, name))) == theirs


def test_files_that_are_no_known_hosts_hold_nothing(tmp_path, sshd):
    file = tmp_path / "known_hosts"
    file.write_bytes(b"\xff\xfe\n\nboard\nboard ssh-ed25519\n|1|x|y ssh-ed25519 !!\n@what b c d\n")
    assert list(hostkeys._read(file, "board")) == []
    assert list(hostkeys._read(tmp_path / "none", "board")) == []


def test_the_fingerprint_is_the_one_ssh_keygen_shows(sshd):
    key = paramiko.PKey.from_path(sshd.keys[0])
    assert hostkeys.fingerprint(key) == f"ssh-ed25519 {sshd.fingerprint()}"
